import { z } from 'zod';
import { mappingSchema } from '../mapping/mapping.ts';
import { addressProblem } from './address.ts';
import { nameSchema, sourceTypeOf, sourceTypeSchema } from './names.ts';
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

const entitySchema = z.strictObject({
  table: z
    .string()
    .regex(/^[^.]+(\.[^.]+)?$/, 'a table is a name, or schema.name')
    .describe('The table, with its schema where it is not `public`.'),
  key: z
    .union([columnName, z.array(columnName).min(1).max(10)], { error: 'expected a column, or a list of columns' })
    .transform((key) => (typeof key === 'string' ? [key] : key))
    .describe('The column, or columns, that tell a record; a unique index must stand over them.'),
  mapping: mappingSchema.optional(),
  deletes: z.enum(['delete', 'ignore']).default('delete').describe('What happens there when an entity is deleted.'),
});

const targetSchema = z.strictObject({
  connector: z.enum(['postgres']).describe('The connector that reaches this target.'),
  type: sourceTypeSchema.optional().describe('As for a source; by default the name in capitals.'),
  url: z
    .string()
    .superRefine((text, context) => {
      const message = addressProblem(text, ['postgres', 'postgresql'], 'postgres://…');
      if (message !== null) context.addIssue({ code: 'custom', message });
    })
    .describe('Where the database is.'),
  poolMax: z.int().min(1).max(100).default(4).describe('Connections one process opens at most.'),
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
  entities: z.record(nameSchema, entitySchema).describe('The kinds of entity that are written there.'),
});

export const targetsSchema = z
  .record(nameSchema, targetSchema)
  .transform((targets) =>
    Object.fromEntries(
      Object.entries(targets).map(([name, target]) => [name, { ...target, type: target.type ?? sourceTypeOf(name) }]),
    ),
  )
  .prefault({});

export type TargetConfig = z.output<typeof targetsSchema>[string];
export type TargetEntityConfig = TargetConfig['entities'][string];
export type GuardRules = TargetConfig['guard'];
