import { createIdentityStore } from '../../adapters/postgres/identity-store.ts';
import { createStageLedger } from '../../adapters/postgres/stage-ledger.ts';
import { createRedisClient, redisPolicy } from '../../adapters/redis/client.ts';
import { createStateCache } from '../../adapters/redis/state-cache.ts';
import type { EntityPlan } from '../../core/entity-plan.ts';
import { type ProcessorLine, ProcessorWorker } from '../../stream-processors/processor-worker.ts';
import type { RunningRole } from './role.ts';
import type { RoleContext } from './role-context.ts';

export async function startProcessor(context: RoleContext): Promise<RunningRole> {
  const { config, topics, plans, log, pool, clock, telemetry, addresses } = context;
  const redis = createRedisClient(addresses.redis);
  await redis.connect().catch(() => undefined);
  await warnOfEviction(context, redis);
  const lines = new Map<string, ProcessorLine>();
  for (const plan of plans) lines.set(plan.rawTopic, await lineOf(context, plan));
  const { concurrency } = config.processor;
  const producers = await Promise.all(Array.from({ length: concurrency }, () => log.producer()));
  const worker = new ProcessorWorker({
    lines,
    producers,
    ledger: createStageLedger(pool),
    cache: createStateCache(redis, config.redis.keyPrefix + config.topicPrefix),
    identityStore: createIdentityStore(pool),
    clock,
    telemetry,
    deadLetters: { topic: topics.deadLetters, partitions: config.kafka.partitions },
    claimAheadRecords: config.limits.claimAhead,
  });
  const subscription = await log.subscribe(
    {
      groupId: `${config.topicPrefix}syncline-processor`,
      topics: [...lines.keys()],
      concurrency,
      batchRecordsMax: config.limits.batchRecordsMax,
    },
    worker,
  );
  return {
    failed: subscription.failed,
    details: () => ({}),
    async stop() {
      await subscription.stop();
      redis.disconnect();
    },
  };
}

async function lineOf({ codecs, config }: RoleContext, plan: EntityPlan): Promise<ProcessorLine> {
  return {
    plan,
    rawCodec: await codecs.for('change', plan.rawTopic),
    canonicalCodec: await codecs.for('canonical', plan.canonicalTopic),
    canonicalPartitions: config.kafka.partitions,
  };
}

async function warnOfEviction({ logger }: RoleContext, redis: ReturnType<typeof createRedisClient>): Promise<void> {
  const policy = await redisPolicy(redis).catch(() => null);
  if (policy?.evicts) {
    logger.warn('Redis may evict our entries: evicted records pass the filter again, which costs speed', {
      maxmemoryPolicy: policy.maxmemoryPolicy,
    });
  }
}
