import { z } from 'zod';
import { parseDecimal } from '../canonical/decimal.ts';
import { ExactNumber, type JsonValue } from '../json.ts';
import type { FieldError } from '../problem.ts';
import type { FieldDeclaration, RecordFields } from './record-fields.ts';
import { nearestName } from './suggestion.ts';

/** Every field at fault, at once; empty for a record that fits. */
export type RecordCheck = (record: JsonValue) => readonly FieldError[];

export interface CompiledRecordSchema {
  readonly check: RecordCheck;
  readonly zod: z.ZodType;
  /** Made from what checks, for the OpenAPI document. */
  readonly jsonSchema: Readonly<Record<string, unknown>>;
}

export function compileRecordSchema(schema: RecordFields): CompiledRecordSchema {
  const record = objectOf(schema.fields, schema.additionalFields, 'the record');
  return {
    zod: record,
    jsonSchema: z.toJSONSchema(record, { io: 'input', unrepresentable: 'any' }),
    check: (value) => {
      const result = record.safeParse(value);
      return result.success ? [] : result.error.issues.flatMap((issue) => fieldErrorsOf(issue, schema));
    },
  };
}

const required = 'is required';

function fieldErrorsOf(issue: z.core.$ZodIssue, schema: RecordFields): FieldError[] {
  if (issue.code !== 'unrecognized_keys') {
    const code = issue.message === required ? 'required' : issue.code;
    return [{ field: fieldPath(issue.path), code, message: issue.message }];
  }
  return issue.keys.map((key) => {
    const meant = nearestName(key, Object.keys(schema.fields));
    return {
      field: fieldPath([...issue.path, key]),
      code: 'unknown_field',
      message: meant === undefined ? 'is not a known field' : `is not a known field: did you mean \`${meant}\`?`,
    };
  });
}

function fieldPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

function objectOf(fields: RecordFields['fields'], additional: RecordFields['additionalFields'], name = '') {
  const shape = Object.fromEntries(Object.entries(fields).map(([field, declaration]) => [field, fieldOf(declaration)]));
  const error = says('an object', name);
  const object = additional === 'refuse' ? z.strictObject(shape, { error }) : z.looseObject(shape, { error });
  return z.preprocess(plain, object);
}

function fieldOf(declaration: FieldDeclaration): z.ZodType {
  const type = typeOf(declaration);
  const allowed = declaration.enum;
  const limited =
    allowed === undefined
      ? type
      : type
          .refine((value) => allowed.includes(value as string | number), { error: `must be one of ${allowed.join(', ')}` })
          .meta({ enum: [...allowed] });
  if (declaration.required === true) return limited;
  return declaration.type === 'any' ? z.unknown().optional() : limited.nullish();
}

function typeOf(declaration: FieldDeclaration): z.ZodType {
  switch (declaration.type) {
    case 'string':
      return textOf(z.string({ error: says('a text') }), declaration);
    case 'email':
      return textOf(z.email({ error: says('an email address') }), declaration);
    case 'date':
      return z.iso.date({ error: says('a date such as 2026-11-21') });
    case 'datetime':
      return z.iso.datetime({ offset: true, error: says('a date and time with its zone such as 2026-11-21T08:30:00Z') });
    case 'boolean':
      return z.boolean({ error: says('true or false') });
    case 'integer':
      return z.preprocess(
        integerValue,
        bounded(z.number({ error: says('a whole number') }), declaration)
          .refine(Number.isInteger, { error: 'must be a whole number' })
          .meta({ type: 'integer' }),
      );
    case 'number':
      return z.preprocess(numberValue, bounded(z.number({ error: says('a number') }), declaration));
    case 'decimal':
      return z
        .preprocess(decimalValue, bounded(z.number({ error: says('a decimal number, plain or in quotes') }), declaration))
        .meta({ type: ['number', 'string'], format: 'decimal' });
    case 'object':
      return objectOf(declaration.fields ?? {}, 'allow');
    case 'array':
      return arrayOf(declaration);
    case 'any':
      return z.unknown().refine((value) => value !== undefined && value !== null, { error: required });
  }
}

function textOf<T extends z.ZodString | z.ZodEmail>(text: T, { minLength, maxLength, pattern }: FieldDeclaration): T {
  let checked = text;
  if (minLength !== undefined) checked = checked.min(minLength, `must have at least ${minLength} characters`) as T;
  if (maxLength !== undefined) checked = checked.max(maxLength, `must have at most ${maxLength} characters`) as T;
  if (pattern !== undefined) checked = checked.regex(new RegExp(pattern, 'u'), `must match ${pattern}`) as T;
  return checked;
}

function bounded(number: z.ZodNumber, { min, max }: FieldDeclaration): z.ZodNumber {
  let checked = number;
  if (min !== undefined) checked = checked.min(min, `must be at least ${min}`);
  if (max !== undefined) checked = checked.max(max, `must be at most ${max}`);
  return checked;
}

function arrayOf({ items, minLength, maxLength }: FieldDeclaration): z.ZodType {
  let checked = z.array(items === undefined ? z.unknown() : fieldOf({ ...items, required: true }), { error: says('an array') });
  if (minLength !== undefined) checked = checked.min(minLength, `must have at least ${minLength} items`);
  if (maxLength !== undefined) checked = checked.max(maxLength, `must have at most ${maxLength} items`);
  return checked;
}

function says(wanted: string, name = '') {
  const text = `${name === '' ? '' : `${name} `}must be ${wanted}`;
  return ({ input }: { input?: unknown }) => (name === '' && (input === undefined || input === null) ? required : text);
}

/** An exact number is an object to JavaScript and none to anybody else. */
function plain(value: unknown): unknown {
  return value instanceof ExactNumber ? value.text : value;
}

/** Bounds are checked on the nearest double: they need no more digits than that. */
function numberValue(value: unknown): unknown {
  return value instanceof ExactNumber ? nearestDouble(value.text) : value;
}

function integerValue(value: unknown): unknown {
  if (!(value instanceof ExactNumber)) return value;
  const whole = (parseDecimal(value.text)?.exponent ?? 0) >= 0;
  return whole ? nearestDouble(value.text) : value.text;
}

function decimalValue(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d{1,500}(\.\d{1,500})?$/.test(value) ? nearestDouble(value) : numberValue(value);
}

function nearestDouble(text: string): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, Number(text)));
}
