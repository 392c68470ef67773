import { createSyncStore } from '../../adapters/postgres/sync-store.ts';
import { compileDifferencePairs } from '../../core/differences/difference-pair.ts';
import { reasonOf } from '../../core/errors.ts';
import type { SyncStore } from '../../core/ports/sync-store.ts';
import { Publisher } from '../../sync-manager/publisher.ts';
import { type SyncLine, SyncWorker } from '../../sync-manager/sync-worker.ts';
import { conflictPolicies } from './conflict-policies.ts';
import { startDeadLetterDesk } from './dead-letter-desk.ts';
import { startDifferenceKeeper } from './difference-keeper.ts';
import type { RunningRole } from './role.ts';
import type { RoleContext } from './role-context.ts';
import { startVerificationKeeper } from './verification-keeper.ts';
import { startWebhookDesk } from './webhook-desk.ts';

const rescueIntervalMs = 5_000;
const strandedAfterMs = 10_000;

export async function startSyncManager(context: RoleContext): Promise<RunningRole> {
  const { config, topics, log, pool, clock, telemetry } = context;
  const lines = await syncLines(context);
  const { concurrency } = config.syncManager;
  const producers = await Promise.all(Array.from({ length: concurrency }, () => log.producer()));
  const store = createSyncStore(pool);
  const publisher = new Publisher({
    store,
    producers,
    deadLetters: { topic: topics.deadLetters, partitions: config.kafka.partitions },
  });
  const worker = new SyncWorker({ lines, store, publisher, clock, telemetry });
  const keeper = await startDifferenceKeeper(context, compileDifferencePairs(config));
  const subscription = await log.subscribe(
    {
      groupId: `${config.topicPrefix}syncline-sync-manager`,
      topics: [...lines.keys()],
      concurrency,
      batchRecordsMax: config.limits.batchRecordsMax,
    },
    worker,
  );
  const rescue = setInterval(() => void rescueStranded(context, store, publisher, worker), rescueIntervalMs);
  const desk = await startDeadLetterDesk(context);
  const webhooks = await startWebhookDesk(context);
  // Where there are targets, their role verifies: this one has enough to do.
  const verification = Object.keys(config.targets).length === 0 ? startVerificationKeeper(context) : undefined;
  return {
    failed: Promise.race([subscription.failed, desk.failed, webhooks.failed]) as Promise<never>,
    details: () => ({}),
    async stop() {
      clearInterval(rescue);
      await subscription.stop();
      await keeper.stop();
      await desk.stop();
      await webhooks.stop();
      await verification?.stop();
    },
  };
}

async function rescueStranded(
  { logger }: RoleContext,
  store: SyncStore,
  publisher: Publisher,
  worker: SyncWorker,
): Promise<void> {
  try {
    const stranded = await store.strandedOutbox(strandedAfterMs);
    for (const ref of [...stranded, ...publisher.doubtfulPartitions()]) await worker.rescue(ref);
  } catch (error) {
    logger.debug(`stranded outbox rows wait: ${reasonOf(error)}`);
  }
}

async function syncLines({ plans, codecs, topics, config }: RoleContext): Promise<Map<string, SyncLine>> {
  const lines = new Map<string, SyncLine>();
  const policies = conflictPolicies(config);
  const pairs = compileDifferencePairs(config);
  for (const kind of new Set(plans.map((plan) => plan.kind))) {
    const canonicalTopic = topics.canonical(kind);
    const resolvedTopic = topics.resolved(kind);
    lines.set(canonicalTopic, {
      kind,
      canonicalCodec: await codecs.for('canonical', canonicalTopic),
      goldenCodec: await codecs.for('golden', resolvedTopic),
      resolvedTopic,
      resolvedPartitions: config.kafka.partitions,
      ...policies.get(kind)!,
      pairs: pairs.get(kind) ?? [],
    });
  }
  return lines;
}
