import { isSyncError } from '../../core/errors.ts';
import type { LogSubscription, PartitionWorker, SubscribeOptions } from '../../core/ports/event-log.ts';
import type { Stage, Telemetry } from '../../core/ports/telemetry.ts';
import { backoffMs } from './backoff.ts';
import { ConsumerRun } from './consumer-run.ts';
import type { KafkaConnection } from './kafkajs-client.ts';

export interface SubscriptionContext {
  readonly connection: KafkaConnection;
  readonly options: SubscribeOptions;
  readonly worker: PartitionWorker;
  readonly telemetry: Telemetry | undefined;
  /** In whose name the telemetry speaks. */
  readonly stage: Stage;
  /** Told as often as somebody knows; passed on when it changes. */
  available(answers: boolean, error?: unknown): void;
}

const restartFirstMs = 250;
const restartMaxMs = 3_000;

/**
 * Keeps a consumer running until it is stopped: whenever one breaks, for whatever reason, a fresh one takes its
 * place. Only a truncated log ends the subscription.
 */
export function openSubscription(context: SubscriptionContext): LogSubscription {
  const stopping = new AbortController();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  // A caller that does not look at `failed` must not be brought down by it.
  failed.catch(() => undefined);
  let run: ConsumerRun | undefined;

  const supervise = async () => {
    let attempt = 0;
    while (!stopping.signal.aborted) {
      run = new ConsumerRun(context);
      run.start();
      const { error, joined } = await run.ended;
      if (isSyncError(error)) return fail(error);
      if (stopping.signal.aborted) return;
      context.available(false, error);
      attempt = joined ? 1 : attempt + 1;
      await pause(backoffMs(attempt, restartFirstMs, restartMaxMs), stopping.signal);
    }
  };
  const supervised = supervise();

  return {
    failed,
    async stop() {
      stopping.abort();
      await run?.stop();
      await supervised;
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}
