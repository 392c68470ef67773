import type { EntityId } from '../core/change-event.ts';
import type { BatchVerdict, LogBatch, PartitionRef, PartitionWorker } from '../core/ports/event-log.ts';
import type { TargetLease } from '../core/ports/target-store.ts';
import { throughBreaker } from './target-breaker.ts';
import { TargetDelivery, type TargetDeliveryDeps } from './target-delivery.ts';
import type { TargetPlan } from './target-plan.ts';
import { leaseLost } from './target-recovery.ts';

export interface TargetWorkerDeps extends TargetDeliveryDeps {
  /** By resolved topic. */
  readonly plans: ReadonlyMap<string, TargetPlan>;
}

interface Held {
  lease: TargetLease;
  /** Nothing was delivered under this lease yet. */
  fresh: boolean;
}

const replayedAtOnce = 500;

/**
 * Resolved topic -> one target. The topic only says which entities to look at: what is written is what the tables say then,
 * so an older version never follows a newer one.
 */
export class TargetWorker implements PartitionWorker {
  readonly #deps: TargetWorkerDeps;
  readonly #delivery: TargetDelivery;
  readonly #held = new Map<string, Held>();
  /** A partition's batch and its replays take turns. */
  readonly #turns = new Map<string, Promise<unknown>>();
  #opened: Promise<void> | null = null;

  constructor(deps: TargetWorkerDeps) {
    this.#deps = deps;
    this.#delivery = new TargetDelivery(deps);
  }

  reassigned(): void {
    this.#held.clear();
  }

  handle(batch: LogBatch): Promise<BatchVerdict> {
    return this.#inTurn(batch, () => this.#settle(batch));
  }

  /** Tries again what somebody wants tried again, in the partitions this process owns. Returns how many entities. */
  async replay(): Promise<number> {
    let replayed = 0;
    for (const [name, { lease }] of [...this.#held]) {
      await this.#inTurn(lease, async () => {
        const held = this.#held.get(name);
        const plan = this.#deps.plans.get(lease.topic);
        if (held === undefined || plan === undefined) return;
        const entityIds = await this.#deps.store.replaying(held.lease, replayedAtOnce);
        await this.#open();
        await this.#delivery.deliver(held.lease, plan, entityIds, true);
        replayed += entityIds.length;
      });
    }
    return replayed;
  }

  async #settle(batch: LogBatch): Promise<BatchVerdict> {
    const { clock, telemetry, plans, store } = this.#deps;
    const startedMs = clock.nowMs();
    const plan = plans.get(batch.topic);
    if (plan === undefined) throw new Error(`no plan for topic ${batch.topic}`);
    try {
      const held = await this.#hold(batch);
      if (batch.fetchedOffset !== held.lease.nextOffset) return { kind: 'seek', offset: held.lease.nextOffset };
      await this.#open();
      await this.#delivery.deliver(held.lease, plan, entitiesOf(batch), held.fresh);
      held.fresh = false;
      const lease = await store.advance(held.lease, batch.nextOffset);
      if (lease === null) throw leaseLost(held.lease);
      held.lease = lease;
    } catch (error) {
      if (this.#held.delete(nameOf(batch)))
        telemetry.partitionLost({ stage: 'target', topic: batch.topic, partition: batch.partition });
      this.#opened = null;
      throw error;
    }
    telemetry.batchFinished({
      stage: 'target',
      topic: batch.topic,
      partition: batch.partition,
      records: batch.records.length,
      durationMs: clock.nowMs() - startedMs,
      lag: batch.highWatermark - batch.nextOffset,
    });
    return { kind: 'advance', nextOffset: batch.nextOffset };
  }

  /** Once, and again after every failure: a table may have been changed, or a permission granted. */
  #open(): Promise<void> {
    const { target, breaker, connector } = this.#deps;
    this.#opened ??= throughBreaker(target, breaker, () => connector.open());
    return this.#opened;
  }

  async #hold(batch: LogBatch): Promise<Held> {
    const known = this.#held.get(nameOf(batch));
    if (known) return known;
    const { store, target, telemetry } = this.#deps;
    const lease = await store.acquire(target, { topic: batch.topic, partition: batch.partition });
    const held = { lease, fresh: true };
    this.#held.set(nameOf(batch), held);
    const { topic, partition, token, nextOffset } = lease;
    telemetry.partitionAcquired({ stage: 'target', topic, partition, token, nextOffset });
    return held;
  }

  async #inTurn<T>(ref: PartitionRef, work: () => Promise<T>): Promise<T> {
    const name = nameOf(ref);
    const before = this.#turns.get(name) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#turns.set(
      name,
      turn.catch(() => undefined),
    );
    return turn;
  }
}

/** Each once: the newest counts anyway. */
function entitiesOf(batch: LogBatch): EntityId[] {
  return [...new Set(batch.records.flatMap(({ key }) => (key === null ? [] : [key as EntityId])))];
}

function nameOf(ref: PartitionRef): string {
  return `${ref.topic}/${ref.partition}`;
}
