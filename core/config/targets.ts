import { z } from 'zod';
import { mappingSchema } from '../mapping/mapping.ts';
import { postgresAddress } from './address.ts';
import { nameSchema, sourceTypeOf, sourceTypeSchema } from './names.ts';
import { optionsApart } from './options-apart.ts';
import { durationMs } from './units.ts';

const share = z.number().min(0).max(1);
const columnName = z.string().min(1).max(63);

const guardSchema = z
  .strictObject({
    changedMax: share.default(1).describe('Share of the records there that may be changed within the window.'),
    deletedMax: share.default(0.2).describe('Share of the records there that may be deleted within the window.'),
    atLeast: z.int().min(1).default(100).describe('So few are never held back, whatever their share.'),
    windowMs: durationMs({ min: 1_000, max: 86_400_000 }).prefault('1h').describe('The window.'),
    approveFirst: z.boolean().default(false).describe('Whether the very first write waits for an approval.'),
  })
  .prefault({})
  .describe('When too much would be changed at once, the target pauses until `POST /api/targets/{name}/approve`.');

/** What a connector says of its options, beside what every target has. */
export interface TargetSchema {
  readonly name: string;
  readonly options: z.ZodObject;
  readonly entity: z.ZodObject;
}

/** For connectors that write to tables. */
export const targetTableOptions = z.strictObject({
  table: z
    .string()
    .regex(/^[^.]+(\.[^.]+)?$/, 'a table is a name, or schema.name')
    .describe('The table, with its schema where it is not the default one.'),
});

const entityShape = {
  key: z
    .union([columnName, z.array(columnName).min(1).max(10)], { error: 'expected a column, or a list of columns' })
    .transform((key) => (typeof key === 'string' ? [key] : key))
    .describe('The column, or columns, that tell a record; a unique index must stand over them.'),
  mapping: mappingSchema.optional(),
  deletes: z.enum(['delete', 'ignore']).default('delete').describe('What happens there when an entity is deleted.'),
};

const targetShape = {
  type: sourceTypeSchema.optional().describe('As for a source; by default the name in capitals.'),
  concurrency: z.int().min(1).max(64).default(2).describe('Partitions worked on at once in one process.'),
  batchRecordsMax: z.int().min(1).max(10_000).default(500).describe('Most records written in one transaction.'),
  timeoutMs: durationMs({ min: 100, max: 600_000 }).prefault('30s').describe('How long the target may take to answer.'),
  onForeignChange: z
    .enum(['overwrite', 'keep'])
    .default('overwrite')
    .describe('For a target that is no source: what happens to a record that somebody else has changed there.'),
  breaker: z
    .strictObject({
      failuresMax: z.int().min(1).max(1_000).default(5).describe('Failures in a row after which it is left alone for a while.'),
      pauseMs: durationMs({ min: 10, max: 3_600_000 }).prefault('5s').describe('The first while; doubles with each failed try.'),
      pauseMsMax: durationMs({ min: 10, max: 3_600_000 }).prefault('2m').describe('The longest while.'),
    })
    .prefault({})
    .describe('How a target that does not answer is left alone.'),
  guard: guardSchema,
};

/** The connector whose targets are known without asking the connectors. */
export const postgresTarget = {
  name: 'postgres',
  options: z.strictObject({
    url: postgresAddress.describe('Where the database is.'),
    poolMax: z.int().min(1).max(100).default(4).describe('Connections one process opens at most.'),
  }),
  entity: targetTableOptions,
};

const commonSchema = z.strictObject({ connector: z.string(), ...targetShape });
const commonEntity = z.strictObject(entityShape);

type Options = Readonly<Record<string, unknown>>;

export type TargetEntityConfig = z.output<typeof commonEntity> & { options: Options };

export type TargetConfig = Omit<z.output<typeof commonSchema>, 'type'> & {
  type: string;
  /** Of the connector, checked by its own schema. */
  options: Options;
  entities: Record<string, TargetEntityConfig>;
};

export type TargetInput = z.input<typeof commonSchema> & {
  entities: Record<string, z.input<typeof commonEntity> & Options>;
} & Options;

/** One of several: which one is meant says `connector`. */
export function targetsSchemaOf(connectors: readonly TargetSchema[]) {
  const branches = connectors.map(targetSchemaOf) as [z.ZodType<TargetConfig, TargetInput>];
  return z
    .record(nameSchema, branches.length === 1 ? branches[0] : z.union(branches))
    .transform((targets) =>
      Object.fromEntries(
        Object.entries(targets).map(([name, target]): [string, TargetConfig] => [
          name,
          { ...target, type: target.type ?? sourceTypeOf(name) },
        ]),
      ),
    )
    .prefault({});
}

function targetSchemaOf({ name, options, entity }: TargetSchema): z.ZodType<TargetConfig, TargetInput> {
  const entitySchema = z.strictObject({ ...entity.shape, ...entityShape }).transform((value) => optionsApart(value, entityShape));
  return z
    .strictObject({
      connector: z.literal(name).describe('The connector that reaches this target.'),
      ...options.shape,
      ...targetShape,
      entities: z.record(nameSchema, entitySchema).describe('The kinds of entity that are written there.'),
    })
    .transform((value) => optionsApart(value, { ...targetShape, connector: true, entities: true })) as unknown as z.ZodType<
    TargetConfig,
    TargetInput
  >;
}

export type GuardRules = TargetConfig['guard'];
