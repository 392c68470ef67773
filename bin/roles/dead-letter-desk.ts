import { createLogReader } from '../../adapters/kafka/log-reader.ts';
import { createDeadLetterStore } from '../../adapters/postgres/dead-letter-store.ts';
import { reasonOf } from '../../core/errors.ts';
import { DeadLetterRecorder } from '../../sync-manager/dead-letter-recorder.ts';
import { retryDueDeadLetters } from '../../sync-manager/dead-letter-replay.ts';
import type { RunningRole } from './role.ts';
import type { RoleContext } from './role-context.ts';

const retryIntervalMs = 1_000;

/** Keeps the dead letters and tries those again whose time has come. */
export async function startDeadLetterDesk(context: RoleContext): Promise<Pick<RunningRole, 'failed' | 'stop'>> {
  const { config, topics, log, pool, telemetry, logger, kafka, clock } = context;
  const store = createDeadLetterStore(pool);
  const reader = createLogReader(kafka);
  const producer = await log.producer();
  const subscription = await log.subscribe(
    {
      groupId: `${config.topicPrefix}syncline-dead-letters`,
      topics: [topics.deadLetters],
      concurrency: 1,
      batchRecordsMax: config.limits.batchRecordsMax,
    },
    new DeadLetterRecorder({ store, reader, policy: config.retry, telemetry }),
  );
  let busy = false;
  const sweep = async () => {
    if (busy) return;
    busy = true;
    try {
      await retryDueDeadLetters(store, producer, clock);
    } catch (error) {
      logger.debug(`due dead letters wait: ${reasonOf(error)}`);
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(() => void sweep(), retryIntervalMs);
  return {
    failed: subscription.failed,
    async stop() {
      clearInterval(timer);
      await subscription.stop();
    },
  };
}
