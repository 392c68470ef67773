import type pg from 'pg';
import { createKafkaLog, type KafkaLog, type ProducerLibrary } from '../../adapters/kafka/kafka-log.ts';
import type { KafkaConnection } from '../../adapters/kafka/kafkajs-client.ts';
import { createPool } from '../../adapters/postgres/pool.ts';
import { systemClock } from '../../adapters/process/clock.ts';
import { createLogger } from '../../adapters/process/logger.ts';
import { secretsOf } from '../../adapters/process/redaction.ts';
import { jsonCodecs } from '../../core/codec/json-codec.ts';
import type { SynclineConfig } from '../../core/config/config.ts';
import type { LoggingConfig } from '../../core/config/logging.ts';
import type { EntityPlan } from '../../core/entity-plan.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Logger } from '../../core/ports/logger.ts';
import type { RecordCodecs } from '../../core/ports/record-codec.ts';
import type { Stage, Telemetry } from '../../core/ports/telemetry.ts';
import { type TopicNames, topicNames } from '../../core/topics.ts';
import { createMetrics, type Metrics } from '../../monitoring/metrics.ts';
import { createTelemetry } from '../../monitoring/telemetry.ts';
import type { Addresses } from '../addresses.ts';
import { entityPlans } from './entity-plans.ts';
import type { RoleName } from './role.ts';

/** What every role is given: made once per process, closed by whoever made it. */
export interface RoleContext {
  readonly role: RoleName;
  readonly config: SynclineConfig;
  readonly addresses: Addresses;
  readonly topics: TopicNames;
  readonly plans: readonly EntityPlan[];
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly pool: pg.Pool;
  readonly kafka: KafkaConnection;
  readonly log: KafkaLog;
  readonly codecs: RecordCodecs;
  /** Aborted when the process is to stop. */
  readonly signal: AbortSignal;
}

export interface ContextOptions {
  readonly role: RoleName;
  readonly config: SynclineConfig;
  readonly logging: LoggingConfig;
  readonly addresses: Addresses;
  readonly signal: AbortSignal;
}

const stageOf: Readonly<Record<RoleName, Stage>> = {
  processor: 'processor',
  'sync-manager': 'sync-manager',
  api: 'ingest',
  demo: 'ingest',
  target: 'target',
  source: 'source',
};

/** Ingest sends small batches: there the library that reads the logs anyway serves as well, and saves the other's memory. */
const producerOf: Readonly<Record<RoleName, ProducerLibrary>> = {
  processor: 'platformatic',
  'sync-manager': 'platformatic',
  api: 'kafkajs',
  demo: 'kafkajs',
  target: 'platformatic',
  source: 'platformatic',
};

export async function openRoleContext({ role, config, logging, addresses, signal }: ContextOptions): Promise<RoleContext> {
  const logger = createLogger({ config: logging, role, secrets: secretsOf(config) });
  const metrics = createMetrics(role);
  const telemetry = createTelemetry({ metrics, logger });
  const topics = topicNames(config.topicPrefix);
  const kafka: KafkaConnection = { brokers: addresses.kafka, clientId: `syncline-${role}`, logger };
  return {
    role,
    config,
    addresses,
    topics,
    plans: entityPlans(config, topics),
    logger,
    metrics,
    telemetry,
    clock: systemClock,
    pool: createPool({ url: addresses.postgres, connectionsMax: config.postgres.poolMax, applicationName: `syncline-${role}` }),
    kafka,
    log: createKafkaLog({
      ...kafka,
      compression: config.kafka.compression === 'none' ? 'none' : 'lz4',
      telemetry,
      stage: stageOf[role],
      producerClient: producerOf[role],
    }),
    codecs: await openCodecs(config, addresses),
    signal,
  };
}

export async function closeRoleContext(context: RoleContext): Promise<void> {
  await context.log.close();
  await context.pool.end();
}

async function openCodecs(config: SynclineConfig, addresses: Addresses): Promise<RecordCodecs> {
  const { recordBytesMax, nestingMax } = config.limits;
  if (config.serialization === 'json' || addresses.registry === null) return jsonCodecs({ recordBytesMax, nestingMax });
  const { avroCodecs } = await import('../../adapters/schema-registry/avro-codecs.ts');
  return avroCodecs({ registryUrl: addresses.registry, recordBytesMax, nestingMax });
}
