import { hash } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { logEnds } from '../../adapters/kafka/offsets.ts';
import { createApiKeyStore } from '../../adapters/postgres/api-key-store.ts';
import { createDeadLetterStore } from '../../adapters/postgres/dead-letter-store.ts';
import { createDifferenceRebuilds } from '../../adapters/postgres/difference-pairs.ts';
import { createEntityStore } from '../../adapters/postgres/entity-store.ts';
import { createIdentityRegistry } from '../../adapters/postgres/identity-registry.ts';
import { createIngestStore } from '../../adapters/postgres/ingest-store.ts';
import { createReadStore } from '../../adapters/postgres/read-store.ts';
import { createSourceDesk } from '../../adapters/postgres/source-desk.ts';
import { createTargetDesk } from '../../adapters/postgres/target-desk.ts';
import { createVerificationDesk } from '../../adapters/postgres/verification-desk.ts';
import { createRedisClient } from '../../adapters/redis/client.ts';
import type { LogEnds } from '../../api/accounting-reader.ts';
import { callerIdOf } from '../../api/caller.ts';
import { type ReadinessCheck, roleChecks } from '../../api/readiness.ts';
import type { About } from '../../api/routes/status.ts';
import { createApi } from '../../api/server.ts';
import { createHttpIngest } from '../../connectors/http/http-ingest.ts';
import { ingestTypesOf } from '../../connectors/http/ingest-types.ts';
import type { PartitionEnd } from '../../core/accounting.ts';
import { SyncError } from '../../core/errors.ts';
import type { ReadStore } from '../../core/ports/read-store.ts';
import { createFigures } from '../../monitoring/figures.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { replayDeadLetters } from '../../sync-manager/dead-letter-replay.ts';
import { openAnswerSender, openRelinkSender } from './answer-desk.ts';
import { startFigureReading } from './api-figures.ts';
import { conflictPolicies } from './conflict-policies.ts';
import { exposeAllRoles } from './metrics-of-roles.ts';
import type { RunningRole } from './role.ts';
import type { RoleContext } from './role-context.ts';

export async function startApi(context: RoleContext): Promise<RunningRole> {
  const { config, pool, clock, log, telemetry, topics, codecs, metrics, logger, addresses } = context;
  const readStore = createReadStore(pool);
  const deadLetterStore = createDeadLetterStore(pool);
  const ingestStore = createIngestStore(pool);
  const targetDesk = createTargetDesk(pool);
  const verificationDesk = createVerificationDesk(pool);
  const redis = createRedisClient(addresses.redis);
  await redis.connect().catch(() => undefined);
  const [ingestProducer, replayProducer] = await Promise.all([log.producer(), log.producer()]);
  const types = ingestTypesOf(config.sources);
  const ends = logEndsOf(context);
  const figures = createFigures(metrics);
  const ingest = createHttpIngest({
    types,
    producer: ingestProducer,
    ingestStore,
    clock,
    telemetry,
    topics,
    codecs,
    partitionsOf: () => config.kafka.partitions,
    limits: { bodyBytesMax: config.api.bodyBytesMax, batchRecordsMax: config.api.batchRecordsMax },
    callerOf: callerIdOf,
    instance: hash('sha256', `${hostname()}:${process.pid}`, 'hex').slice(0, 8),
  });
  const api = createApi({
    config,
    clock,
    readStore,
    entityStore: createEntityStore(pool),
    answers: await openAnswerSender(context),
    identity: { registry: createIdentityRegistry(pool), relinks: await openRelinkSender(context) },
    kinds: conflictPolicies(config),
    differenceRebuilds: createDifferenceRebuilds(pool),
    keyStore: createApiKeyStore(pool),
    deadLetterStore,
    replayDeadLetters: (filter, limit) => replayDeadLetters(deadLetterStore, replayProducer, clock, filter, limit),
    targetDesk,
    sourceDesk: createSourceDesk(pool),
    verificationDesk,
    ends,
    readinessChecks: [...partChecks(readStore, ends, redis), ...roleChecks(readStore, ['processor', 'sync-manager'])],
    about: aboutOf(context),
    ingest: { router: ingest.router, documents: types.all },
    metrics: () => exposeAllRoles(metrics, readStore),
    requestAnswered: figures.requestAnswered,
    requestFailed: (error, correlationId) => logger.error('a request failed by our fault', { error, correlationId }),
  });
  const listening = await api.listen(config.api.host, apiPort(context));
  const reading = startFigureReading({
    figures,
    readStore,
    deadLetterStore,
    ingestStore,
    targetDesk,
    verificationDesk,
    targets: Object.keys(config.targets),
    ends,
    clock,
  });
  return {
    failed: new Promise<never>(() => undefined),
    details: () => ({ api: listening.url }),
    async stop() {
      reading.stop();
      await ingest.close();
      await listening.close();
      redis.disconnect();
    },
  };
}

/** The parent chose a free port; alone in a container it is the configured one. */
function apiPort({ config }: RoleContext): number {
  const chosen = process.env.SYNCLINE_API_PORT;
  return chosen === undefined ? config.api.port : Number(chosen);
}

/** Whoever asks how things stand while Kafka is out must be told so soon. */
const endsWaitMs = 3_000;

function logEndsOf({ kafka, plans, clock }: RoleContext): LogEnds {
  const rawTopics = plans.map((plan) => plan.rawTopic);
  const canonicalTopics = [...new Set(plans.map((plan) => plan.canonicalTopic))];
  const endsOf = async (wanted: readonly string[]): Promise<PartitionEnd[]> => {
    const answered = new AbortController();
    const late = clock.sleep(endsWaitMs, answered.signal).then(() => {
      throw new SyncError('kafka.unavailable', `Kafka does not answer within ${endsWaitMs} ms`);
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([logEnds(kafka, wanted), late]);
    } finally {
      answered.abort();
    }
  };
  return { raw: () => endsOf(rawTopics), canonical: () => endsOf(canonicalTopics) };
}

function partChecks(readStore: ReadStore, ends: LogEnds, redis: ReturnType<typeof createRedisClient>): ReadinessCheck[] {
  return [
    { part: 'postgres', check: () => readStore.ping() },
    {
      part: 'redis',
      async check() {
        await redis.ping();
      },
    },
    {
      part: 'kafka',
      async check() {
        await ends.raw();
      },
    },
  ];
}

function aboutOf({ config, addresses }: RoleContext): About {
  const folder = process.env.SYNCLINE_DATA_DIR;
  const host = config.api.host.includes(':') ? `[${config.api.host}]` : config.api.host;
  return {
    version: packageJson.version,
    profile: config.profile,
    addresses: {
      api: `http://${host}:${process.env.SYNCLINE_API_PORT ?? config.api.port}`,
      kafka: addresses.kafka.join(','),
      postgres: withoutPassword(addresses.postgres),
      redis: withoutPassword(addresses.redis),
      ...(addresses.registry === null ? {} : { registry: addresses.registry }),
    },
    keyFile: folder === undefined ? null : join(folder, 'admin.key'),
  };
}

function withoutPassword(address: string): string {
  const url = new URL(address);
  url.password = '';
  return url.href;
}
