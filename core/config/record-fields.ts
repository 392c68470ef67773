import { z } from 'zod';

export const fieldTypes = [
  'string',
  'email',
  'integer',
  'decimal',
  'number',
  'boolean',
  'datetime',
  'date',
  'object',
  'array',
  'any',
] as const;

export type FieldType = (typeof fieldTypes)[number];

/** One declared field of an incoming record. */
export interface FieldDeclaration {
  readonly type: FieldType;
  readonly required?: boolean | undefined;
  readonly minLength?: number | undefined;
  readonly maxLength?: number | undefined;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly pattern?: string | undefined;
  readonly enum?: readonly (string | number)[] | undefined;
  readonly fields?: Readonly<Record<string, FieldDeclaration>> | undefined;
  readonly items?: FieldDeclaration | undefined;
}

export interface RecordFields {
  readonly fields: Readonly<Record<string, FieldDeclaration>>;
  readonly additionalFields: 'allow' | 'refuse';
}

const count = z.int().min(0).max(10_000_000);

const fieldNameSchema = z.string().min(1).max(100);

/** Which bounds mean something for which type; anything else is a mistake that would otherwise pass in silence. */
const boundsOf: Readonly<Record<FieldType, readonly (keyof FieldDeclaration)[]>> = {
  string: ['minLength', 'maxLength', 'pattern', 'enum'],
  email: ['minLength', 'maxLength', 'pattern', 'enum'],
  integer: ['min', 'max', 'enum'],
  decimal: ['min', 'max'],
  number: ['min', 'max', 'enum'],
  boolean: [],
  datetime: [],
  date: [],
  object: ['fields'],
  array: ['minLength', 'maxLength', 'items'],
  any: [],
};

const fieldDeclarationSchema: z.ZodType<FieldDeclaration> = z
  .strictObject({
    type: z.enum(fieldTypes).describe('What the value must be. `decimal` also takes digits in quotes: "12.50".'),
    required: z.boolean().optional().describe('The field must be there and not null. An optional field may be null.'),
    minLength: count.optional().describe('Fewest characters of a text, fewest items of an array.'),
    maxLength: count.optional().describe('Most characters of a text, most items of an array.'),
    min: z.number().optional().describe('Smallest number.'),
    max: z.number().optional().describe('Largest number.'),
    pattern: z
      .string()
      .max(500)
      .optional()
      .describe('A regular expression the text must match somewhere; anchor it with ^ and $.'),
    enum: z
      .array(z.union([z.string(), z.number()], { error: 'expected a text or a number' }))
      .min(1)
      .optional()
      .describe('The values allowed.'),
    get fields() {
      return z.record(fieldNameSchema, fieldDeclarationSchema).optional().describe('The fields of an object.');
    },
    get items() {
      return fieldDeclarationSchema.optional().describe('What each item of an array must be.');
    },
  })
  .superRefine((declaration, context) => {
    for (const bound of ['minLength', 'maxLength', 'min', 'max', 'pattern', 'enum', 'fields', 'items'] as const) {
      if (declaration[bound] !== undefined && !boundsOf[declaration.type].includes(bound)) {
        context.addIssue({
          code: 'custom',
          path: [bound],
          message: `\`${bound}\` means nothing for a field of type ${declaration.type}`,
        });
      }
    }
    if (declaration.pattern !== undefined && !isPattern(declaration.pattern)) {
      context.addIssue({ code: 'custom', path: ['pattern'], message: 'not a regular expression' });
    }
  });

function isPattern(text: string): boolean {
  try {
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

export const recordFieldsSchema = z.strictObject({
  fields: z.record(fieldNameSchema, fieldDeclarationSchema).describe('The declared fields by name.'),
  additionalFields: z.enum(['allow', 'refuse']).default('allow').describe('What happens to fields that are not declared.'),
});
