import { createTargetStore } from '../../adapters/postgres/target-store.ts';
import { jitter } from '../../adapters/process/jitter.ts';
import { TargetWorker } from '../../connectors/target-worker.ts';
import { CircuitBreaker } from '../../core/circuit-breaker.ts';
import { reasonOf } from '../../core/errors.ts';
import type { LogSubscription } from '../../core/ports/event-log.ts';
import { ProducerPool } from '../../core/producer-pool.ts';
import type { RunningRole } from './role.ts';
import type { RoleContext } from './role-context.ts';
import { openTarget } from './target-connectors.ts';
import { targetPlans } from './target-plans.ts';
import { startVerificationKeeper } from './verification-keeper.ts';

const replayIntervalMs = 1_000;

interface RunningTarget {
  readonly name: string;
  readonly breaker: CircuitBreaker;
  readonly subscription: LogSubscription;
  stop(): Promise<void>;
}

/** Every target has a subscription, connections and progress of its own, so that none waits for another. */
export async function startTargets(context: RoleContext): Promise<RunningRole> {
  const { config } = context;
  const running: RunningTarget[] = [];
  for (const name of Object.keys(config.targets)) running.push(await startTarget(context, name));
  const verification = startVerificationKeeper(context);
  return {
    failed: Promise.race(running.map(({ subscription }) => subscription.failed)) as Promise<never>,
    details: () => ({
      targets: Object.fromEntries(running.map(({ name, breaker }) => [name, { breaker: breaker.state, reason: breaker.reason }])),
    }),
    async stop() {
      await Promise.all([verification.stop(), ...running.map((target) => target.stop())]);
    },
  };
}

async function startTarget(context: RoleContext, name: string): Promise<RunningTarget> {
  const { config, clock, log, pool, telemetry, logger } = context;
  const target = config.targets[name]!;
  const plans = await targetPlans(context, name, target);
  const connector = await openTarget(name, target);
  const breaker = new CircuitBreaker(target.breaker, clock, jitter);
  const worker = new TargetWorker({
    target: name,
    plans,
    connector,
    breaker,
    store: createTargetStore(pool),
    producers: new ProducerPool(await Promise.all(Array.from({ length: target.concurrency }, () => log.producer()))),
    guard: target.guard,
    clock,
    telemetry,
  });
  const subscription = await log.subscribe(
    {
      groupId: `${config.topicPrefix}syncline-target-${name}`,
      topics: [...plans.keys()],
      concurrency: target.concurrency,
      batchRecordsMax: target.batchRecordsMax,
    },
    worker,
  );
  let busy = false;
  const replay = async () => {
    if (busy) return;
    busy = true;
    await worker.replay().catch((error: unknown) => logger.debug(`replays of ${name} wait: ${reasonOf(error)}`));
    busy = false;
  };
  const replays = setInterval(() => void replay(), replayIntervalMs);
  return {
    name,
    breaker,
    subscription,
    async stop() {
      clearInterval(replays);
      await subscription.stop();
      await connector.close();
    },
  };
}
