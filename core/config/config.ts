import { z } from 'zod';
import type { ComparisonRules } from '../comparison/comparison.ts';
import type { IdentityRules } from '../identity/identity.ts';
import { nestingMax } from '../json.ts';
import type { MappingRules } from '../mapping/mapping.ts';
import { addressProblem } from './address.ts';
import { checkConfig } from './config-checks.ts';
import { type ConflictRules, conflictsSchema } from './conflict-policy.ts';
import { differencesSchema } from './differences.ts';
import { nameSchema } from './names.ts';
import { anySource, type SourceSchema, sourcesSchemaOf } from './sources.ts';
import { postgresTarget, type TargetSchema, targetsSchemaOf } from './targets.ts';
import { byteSize, durationMs } from './units.ts';

/** Used where no secret was given; the production profile refuses it. */
export const developmentSecretKey = 'development-only-secret-key';

const brokerPattern = /^[A-Za-z0-9._-]+:\d{1,5}$/;
const brokerSchema = z.string().regex(brokerPattern, 'a broker is host:port');

/** A list may also be written as one text with commas, so that an environment variable can carry it. */
function listOrText<T extends z.ZodType<unknown, string>>(item: T, error: string) {
  return z
    .union([z.array(z.string()), z.string()], { error })
    .transform((value) => (typeof value === 'string' ? splitList(value) : value))
    .pipe(z.array(item));
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function urlOf(protocols: readonly string[], words: readonly string[]) {
  const wanted = [...words, ...protocols.map((protocol) => `${protocol}://…`)].join(', ');
  return z.string().superRefine((text, context) => {
    const message = words.includes(text) ? null : addressProblem(text, protocols, wanted);
    if (message !== null) context.addIssue({ code: 'custom', message });
  });
}

const kafkaSchema = z.strictObject({
  brokers: listOrText(z.string(), 'expected embedded, or brokers as host:port')
    .pipe(
      z.union(
        [
          z.tuple([z.literal('embedded')]).transform(() => 'embedded' as const),
          z.array(brokerSchema).min(1, 'name at least one broker'),
        ],
        {
          error: 'expected embedded, or brokers as host:port',
        },
      ),
    )
    .prefault('embedded')
    .describe('Where Kafka is: `embedded`, or brokers as host:port (a list, or one text with commas).'),
  partitions: z.int().min(1).max(1_000).default(4).describe('Partitions of each topic we create. Fixed for the life of a topic.'),
  replicationFactor: z.int().min(1).max(10).default(1).describe('Copies of each partition.'),
  compression: z.enum(['none', 'lz4']).default('lz4').describe('How record batches are compressed.'),
});

const postgresSchema = z.strictObject({
  url: urlOf(['postgres', 'postgresql'], ['embedded']).default('embedded').describe('Where PostgreSQL is.'),
  poolMax: z.int().min(2).max(200).default(10).describe('Connections one process opens at most.'),
});

const redisSchema = z.strictObject({
  url: urlOf(['redis', 'rediss'], ['embedded']).default('embedded').describe('Where Redis is.'),
  keyPrefix: z.string().max(50).default('syncline:').describe('What every key of ours begins with.'),
});

const schemaRegistrySchema = z.strictObject({
  url: urlOf(['http', 'https'], ['none', 'embedded']).default('none').describe('Where the schema registry is; `avro` needs one.'),
});

const apiSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('The address the API listens on.'),
  port: z.int().min(0).max(65_535).default(3000).describe('The port the API listens on; 0 takes a free one.'),
  bodyBytesMax: byteSize({ min: 1_000, max: 100_000_000 }).prefault('10MB').describe('Largest request body accepted.'),
  batchRecordsMax: z.int().min(1).max(100_000).default(1_000).describe('Most records in one ingest request.'),
  corsOrigins: listOrText(z.string(), 'expected origins as a list, or one text with commas')
    .prefault([])
    .describe('Origins whose pages may call the API.'),
  rateLimit: z
    .strictObject({
      perMinute: z.int().min(1).default(6_000).describe('Requests a minute one client may make, ingest aside.'),
      ingestPerMinute: z.int().min(1).default(1_000_000).describe('Ingest requests a minute one client may make.'),
    })
    .prefault({}),
  anonymousIngest: z
    .enum(['loopback', 'never'])
    .default('loopback')
    .describe('Whether ingest without an API key is accepted from this machine. The production profile wants `never`.'),
});

const limitsSchema = z.strictObject({
  recordBytesMax: byteSize({ min: 1_000, max: 16_000_000 }).prefault('1MB').describe('Largest record the pipeline carries.'),
  nestingMax: z
    .int()
    .min(1)
    .max(nestingMax - 1)
    .default(32)
    .describe('Levels of objects and lists in a record.'),
  batchRecordsMax: z.int().min(1).max(10_000).default(1_000).describe('Most records worked on at once per partition.'),
  claimAhead: z
    .int()
    .min(1)
    .max(10_000_000)
    .default(20_000)
    .describe(
      'How many records ahead a processor announces what it may send on: larger means fewer writes and more repeats after a crash.',
    ),
});

const concurrencySchema = z
  .strictObject({ concurrency: z.int().min(1).max(64).default(2).describe('Partitions worked on at once in one process.') })
  .prefault({});

const retrySchema = z.strictObject({
  attemptsMax: z
    .int()
    .min(0)
    .max(1_000)
    .default(8)
    .describe('How often a dead letter is tried again by itself before it waits for a human.'),
  delayMs: durationMs({ min: 10, max: 86_400_000 }).prefault('5s').describe('Wait before the first retry; doubles with each.'),
  delayMsMax: durationMs({ min: 10, max: 86_400_000 }).prefault('15m').describe('Longest wait between two retries.'),
});

const pollingSchema = z.strictObject({
  intervalMs: durationMs({ min: 100, max: 86_400_000 })
    .prefault('10s')
    .describe('How often sources that must be asked are asked for changes.'),
  batchRecordsMax: z.int().min(1).max(100_000).default(1_000).describe('Most rows fetched in one question.'),
});

const monitoringSchema = z.strictObject({
  rowsIntervalMs: durationMs({ min: 1_000, max: 3_600_000 })
    .prefault('15s')
    .describe('How often figures are written to `sync_metrics`.'),
});

const demoSchema = z.strictObject({
  enabled: z.boolean().default(false).describe('Plays a small shop through the HTTP connector.'),
  eventsPerSecond: z.number().min(0.1).max(10_000).default(5).describe('How many changes it makes.'),
  source: nameSchema.default('shop').describe('The source it plays.'),
});

/** Names and schemas of the connectors that are built in; core knows none of them. */
export interface ConnectorSchemas {
  readonly sources: readonly SourceSchema[];
  readonly targets: readonly TargetSchema[];
}

/** With the options of these connectors, each checked by its own schema. */
export function configSchemaOf(connectors: ConnectorSchemas) {
  return z
    .strictObject({
      profile: z
        .enum(['development', 'production'])
        .default('development')
        .describe('`production` refuses what is only fit for trying out.'),
      dataDir: z
        .string()
        .min(1)
        .default('.syncline')
        .describe('Where keys and the data of embedded parts lie, relative to the working directory.'),
      topicPrefix: z
        .string()
        .regex(/^[A-Za-z0-9._-]*$/, 'a topic prefix is letters, digits, ., _ and -')
        .max(50)
        .default('')
        .describe('What every topic of ours begins with, so that installations can share one Kafka.'),
      serialization: z.enum(['json', 'avro']).default('json').describe('How records are written to Kafka.'),
      secretKey: z
        .string()
        .min(1)
        .default(developmentSecretKey)
        .describe('Encrypts stored credentials. At least 32 characters in production.'),
      kafka: kafkaSchema.prefault({}).describe('The log between the stages.'),
      postgres: postgresSchema.prefault({}).describe('Where state, history and progress are kept.'),
      redis: redisSchema.prefault({}).describe('The filter for what did not change.'),
      schemaRegistry: schemaRegistrySchema.prefault({}).describe('Where Avro schemas are registered.'),
      api: apiSchema.prefault({}).describe('The HTTP surface.'),
      limits: limitsSchema.prefault({}).describe('Bounds of what the pipeline carries and holds.'),
      processor: concurrencySchema.describe('The stage that maps, identifies and filters.'),
      syncManager: concurrencySchema.describe('The stage that resolves and stores.'),
      retry: retrySchema.prefault({}).describe('How dead letters are tried again.'),
      polling: pollingSchema
        .prefault({})
        .describe('For sources that must be asked for changes and do not say otherwise themselves.'),
      monitoring: monitoringSchema.prefault({}).describe('Figures kept in PostgreSQL.'),
      sources: sourcesSchemaOf(connectors.sources).describe('The systems whose changes come in, by name.'),
      targets: targetsSchemaOf(connectors.targets).describe('The systems that resolved records are written to, by name.'),
      conflicts: conflictsSchema.default({}).describe('How conflicts between sources are settled, by kind of entity.'),
      differences: differencesSchema.describe('Pairs of sources that should hold the same records, and are compared.'),
      demo: demoSchema.prefault({}).describe('A generator that shows life at once.'),
    })
    .superRefine(checkConfig, { when: () => true });
}

/** Without the connectors: whatever a source says beside what every source has is taken as it is. */
export const configSchema = configSchemaOf({ sources: [anySource], targets: [postgresTarget] });

export type ConfigSchema = ReturnType<typeof configSchemaOf>;

/** The rules keep the types of their own languages; at run time they are frozen like everything else. */
type Frozen<T> = T extends MappingRules | ComparisonRules | IdentityRules | ConflictRules
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Frozen<Item>[]
    : T extends object
      ? { readonly [Name in keyof T]: Frozen<T[Name]> }
      : T;

export type SynclineConfig = Frozen<z.output<typeof configSchema>>;

export type ConfigInput = z.input<typeof configSchema>;

/** Throws a ZodError that holds every problem at once. Files go through `loadConfig`, which knows their lines. */
export function parseConfig(input: unknown): SynclineConfig {
  return freeze(configSchema.parse(input));
}

export function freeze<T>(value: T): Frozen<T> {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value as Frozen<T>;
}
