import { z } from 'zod';
import { comparisonSchema } from '../comparison/comparison.ts';
import { identitySchema } from '../identity/identity.ts';
import { mappingSchema } from '../mapping/mapping.ts';
import { nameSchema, sourceTypeOf, sourceTypeSchema } from './names.ts';
import { optionsApart } from './options-apart.ts';
import { recordFieldsSchema } from './record-fields.ts';

/** What a connector says of its options, beside what every source has. */
export interface SourceSchema {
  /** Null stands for any. */
  readonly name: string | null;
  readonly options: z.ZodObject;
  readonly entity: z.ZodObject;
  /** What one option of an entity cannot know of another. */
  problemOf?(entity: never): { readonly path: string; readonly message: string } | undefined;
}

type Options = Readonly<Record<string, unknown>>;

const fieldName = z.string().min(1).max(100);

const entityShape = {
  key: z
    .union([fieldName, z.array(fieldName).min(1).max(10)], { error: 'expected a field, or a list of fields' })
    .transform((key) => (typeof key === 'string' ? [key] : key))
    .default([])
    .describe(
      'The field, or fields, that make a record’s key in its source. Without one a table’s primary key counts, and every posted record is an entity of its own.',
    ),
  occurredAt: fieldName
    .optional()
    .describe('The field that says when the change happened; without it the time of arrival counts.'),
  ordered: z
    .boolean()
    .default(true)
    .describe(
      'Whether the changes of one key arrive in the order they were made. Where an older one may come first after a newer one, `false`: all of them then pass the filter.',
    ),
  schema: recordFieldsSchema.optional().describe('What an incoming record must look like; without it any object is accepted.'),
  mapping: mappingSchema.optional(),
  compare: comparisonSchema.optional(),
  identity: identitySchema.optional(),
};

const entitySchema = z.strictObject(entityShape);

export type SourceEntityConfig = z.output<typeof entitySchema> & { options: Options };

export interface SourceConfig {
  connector: string;
  type: string;
  /** Of the connector, checked by its own schema. */
  options: Options;
  entities: Record<string, SourceEntityConfig>;
}

export type SourceInput = {
  connector: string;
  type?: string;
  entities: Record<string, z.input<typeof entitySchema> & Options>;
} & Options;

const entitiesDescription = 'The kinds of entity this source has.';
const typeSchema = sourceTypeSchema.optional().describe('What stands in `source_type`; by default the name in capitals.');

/** Of no connector in particular. */
export const anySource: SourceSchema = { name: null, options: z.looseObject({}), entity: z.looseObject({}) };

/** One of several: which one is meant says `connector`. */
export function sourcesSchemaOf(connectors: readonly SourceSchema[]) {
  const branches = connectors.map(sourceSchemaOf) as [z.ZodType<SourceConfig, SourceInput>];
  return z
    .record(nameSchema, branches.length === 1 ? branches[0] : z.union(branches))
    .transform((sources) =>
      Object.fromEntries(
        Object.entries(sources).map(([name, source]): [string, SourceConfig] => [
          name,
          { ...source, type: source.type ?? sourceTypeOf(name) },
        ]),
      ),
    )
    .prefault({});
}

function sourceSchemaOf({ name, options, entity, problemOf }: SourceSchema): z.ZodType<SourceConfig, SourceInput> {
  const object = name === null ? z.looseObject : z.strictObject;
  const checkedEntity = object({ ...entityShape, ...entity.shape })
    .superRefine((value, context) => {
      const problem = problemOf?.(value as never);
      if (problem !== undefined) context.addIssue({ code: 'custom', path: [problem.path], message: problem.message });
    })
    .transform((value) => optionsApart(value, entityShape));
  const sourceShape = {
    connector: (name === null ? nameSchema : z.literal(name)).describe('The connector that reaches this source.'),
    type: typeSchema,
  };
  return object({
    ...sourceShape,
    ...options.shape,
    entities: z.record(nameSchema, checkedEntity).describe(entitiesDescription),
  }).transform((value) => optionsApart(value, { ...sourceShape, entities: true })) as unknown as z.ZodType<
    SourceConfig,
    SourceInput
  >;
}
