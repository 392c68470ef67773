import { type EntityId, type EventId, type GoldenRecord, goldenSourceType } from '../../core/change-event.ts';
import type { WriteBack } from '../../core/conflict/write-back.ts';
import { findUnstorableText, stringifyExact } from '../../core/json.ts';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import {
  type BatchEffects,
  BatchRejected,
  EventsKnown,
  movedTo,
  type OutboxRow,
  publishesNothing,
  type StateHead,
  type StateRow,
  type SyncLease,
  type SyncReach,
  type SyncStore,
  type Written,
} from '../../core/ports/sync-store.ts';
import { atOnce, type Pace } from './pace.ts';
import type { SyncRows } from './sync-rows.ts';

export interface MemorySyncStoreOptions {
  readonly nowMs: () => number;
  /** Why the database would refuse this record; undefined where it takes it. */
  readonly refusalOf?: (eventId: string, data: StateRow['data']) => string | undefined;
  readonly pace?: Pace;
}

/**
 * Reads see what is committed, a write takes place whole or not at all, and the row of the partition's offset admits
 * one at a time: who comes second finds that it came too late.
 */
export class MemorySyncStore implements SyncStore {
  readonly #rows: SyncRows;
  readonly #nowMs: () => number;
  readonly #refusalOf: NonNullable<MemorySyncStoreOptions['refusalOf']>;
  readonly #pace: Pace;

  constructor(rows: SyncRows, options: MemorySyncStoreOptions) {
    this.#rows = rows;
    this.#nowMs = options.nowMs;
    this.#refusalOf = options.refusalOf ?? (() => undefined);
    this.#pace = options.pace ?? atOnce;
  }

  acquire(ref: PartitionRef): Promise<SyncLease> {
    return this.#pace('store.acquire', () => {
      const progress = this.#rows.progressOf(ref);
      progress.token++;
      const { token, nextOffset, settledThrough } = progress;
      return { topic: ref.topic, partition: ref.partition, token, nextOffset, settledThrough };
    });
  }

  headsOf(entityIds: readonly EntityId[]): Promise<readonly StateHead[]> {
    return this.#pace('store.headsOf', () =>
      entityIds.flatMap((entityId) => this.#rows.statesOf(entityId)).map(({ data: _, voice: __, ...head }) => head),
    );
  }

  statesOf(entityIds: readonly EntityId[]): Promise<readonly StateRow[]> {
    return this.#pace('store.statesOf', () => entityIds.flatMap((entityId) => this.#rows.statesOf(entityId)));
  }

  knownEvents(eventIds: readonly EventId[]): Promise<ReadonlySet<EventId>> {
    return this.#pace('store.knownEvents', () => new Set(eventIds.filter((id) => this.#rows.events.has(id))));
  }

  writeBacksOf(targets: readonly string[], entityIds: readonly EntityId[]): Promise<readonly WriteBack[]> {
    return this.#pace('store.writeBacksOf', () =>
      this.#rows.writeBacks.filter(({ target, entityId }) => targets.includes(target) && entityIds.includes(entityId)),
    );
  }

  write(lease: SyncLease, reach: SyncReach, effects: BatchEffects): Promise<Written | null> {
    return this.#pace('store.write', () => {
      if (!this.#isHeld(lease)) return null;
      this.#check(effects);
      const outboxId = publishesNothing(effects.outbox) ? null : this.#rows.newOutboxId();
      this.#rows.commit(lease, reach, effects, outboxId, this.#nowMs());
      return { lease: movedTo(lease, reach), outboxId };
    });
  }

  pendingOutbox(lease: SyncLease): Promise<readonly OutboxRow[]> {
    return this.#pace('store.pendingOutbox', () => this.#rows.outboxOf(lease));
  }

  strandedOutbox(olderThanMs: number): Promise<readonly PartitionRef[]> {
    return this.#pace('store.strandedOutbox', () => this.#rows.partitionsWithOutboxBefore(this.#nowMs() - olderThanMs));
  }

  clearOutbox(lease: SyncLease, ids: readonly number[]): Promise<boolean> {
    return this.#pace('store.clearOutbox', () => {
      if (this.#rows.progressOf(lease).token !== lease.token) return false;
      this.#rows.removeFromOutbox(lease, ids);
      return true;
    });
  }

  goldenOf(entityIds: readonly EntityId[]): Promise<readonly GoldenRecord[]> {
    return this.#pace('store.goldenOf', () =>
      entityIds.flatMap((entityId) => {
        const row = this.#rows.stateOf(entityId, goldenSourceType);
        return row === undefined ? [] : [this.#goldenOf(row)];
      }),
    );
  }

  epoch(): Promise<number> {
    return this.#pace('store.epoch', () => this.#rows.epoch);
  }

  #goldenOf(row: StateRow): GoldenRecord {
    return {
      entityId: row.entityId,
      kind: row.kind,
      version: { epoch: this.#rows.epoch, n: row.version },
      deleted: row.deleted,
      data: row.data,
      eventId: row.eventId,
      updatedAt: new Date(this.#rows.syncedAtMs(row.entityId)).toISOString(),
    };
  }

  #isHeld(lease: SyncLease): boolean {
    const progress = this.#rows.progressOf(lease);
    return progress.token === lease.token && progress.nextOffset === lease.nextOffset;
  }

  #check(effects: BatchEffects): void {
    const stateKeys = new Set(effects.states.map((row) => `${row.sourceType} ${row.entityId}`));
    if (stateKeys.size !== effects.states.length) throw new BatchRejected('a row of sync_state would be written twice');
    // A golden row is made of what was taken before.
    const states = effects.states.filter((row) => row.sourceType !== goldenSourceType);
    for (const { eventId, data } of [...states, ...effects.events]) {
      const refusal = this.#refusalOf(eventId, data) ?? (data === null ? undefined : findUnstorableText(stringifyExact(data)));
      if (refusal !== undefined) throw new BatchRejected(refusal);
    }
    for (const { details } of effects.conflicts) {
      const refusal = findUnstorableText(stringifyExact(details));
      if (refusal !== undefined) throw new BatchRejected(refusal);
    }
    const own = new Set(effects.events.map((event) => event.eventId));
    const known = effects.events.some((event) => this.#rows.events.has(event.eventId));
    if (known || own.size !== effects.events.length) throw new EventsKnown('events of the batch are stored already');
  }
}
