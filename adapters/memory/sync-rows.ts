import type { EntityId, EventId } from '../../core/change-event.ts';
import type { WriteBack } from '../../core/conflict/write-back.ts';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import type { EntryClaim } from '../../core/ports/stage-ledger.ts';
import type {
  BatchEffects,
  ConflictRow,
  EventRow,
  OutboxRow,
  ReplayOutcome,
  StateRow,
  SyncLease,
  SyncReach,
} from '../../core/ports/sync-store.ts';
import { partitionName } from './pace.ts';
import { RefusedRows } from './refused-rows.ts';

interface Progress {
  token: number;
  nextOffset: number;
  settledThrough: Readonly<Record<string, number>>;
}

interface PlacedOutboxRow {
  readonly ref: PartitionRef;
  readonly row: OutboxRow;
  readonly committedAtMs: number;
}

/** The tables of the sync manager, shared by every process. Whatever changes them here is one commit. */
export class SyncRows {
  readonly events = new Map<EventId, EventRow>();
  /** Those that were not both heard of and told. */
  writeBacks: readonly WriteBack[] = [];
  readonly conflicts = new Map<string, ConflictRow>();
  /** By `topic/partition outcome` of the raw topic. */
  readonly counts = new Map<string, number>();
  readonly replays: ReplayOutcome[] = [];
  readonly refused = new RefusedRows();
  readonly epoch = 1;
  readonly #states = new Map<EntityId, Map<string, StateRow>>();
  readonly #syncedAtMs = new Map<EntityId, number>();
  readonly #progress = new Map<string, Progress>();
  readonly #outbox = new Map<string, PlacedOutboxRow[]>();
  #outboxIds = 0;

  statesOf(entityId: EntityId): readonly StateRow[] {
    return [...(this.#states.get(entityId)?.values() ?? [])];
  }

  stateOf(entityId: EntityId, sourceType: string): StateRow | undefined {
    return this.#states.get(entityId)?.get(sourceType);
  }

  /** What the ledger asks: see `StageLedger.proves`. */
  proves(origin: PartitionRef, sourceType: string, claim: EntryClaim): boolean {
    const settled = this.progressOf(claim.canonical).settledThrough[partitionName(origin)] ?? -1;
    return this.stateOf(claim.entityId, sourceType)?.position === claim.position && settled >= claim.offset;
  }

  states(): readonly StateRow[] {
    return [...this.#states.values()].flatMap((rows) => [...rows.values()]);
  }

  syncedAtMs(entityId: EntityId): number {
    return this.#syncedAtMs.get(entityId) ?? 0;
  }

  progressOf(ref: PartitionRef): Progress {
    const name = partitionName(ref);
    const progress = this.#progress.get(name) ?? { token: 0, nextOffset: 0, settledThrough: {} };
    this.#progress.set(name, progress);
    return progress;
  }

  outboxOf(ref: PartitionRef): readonly OutboxRow[] {
    return (this.#outbox.get(partitionName(ref)) ?? []).map(({ row }) => row);
  }

  partitionsWithOutboxBefore(ms: number): readonly PartitionRef[] {
    const waiting = [...this.#outbox.values()].map((placed) => placed.find(({ committedAtMs }) => committedAtMs <= ms));
    return waiting.flatMap((placed) => (placed === undefined ? [] : [placed.ref]));
  }

  removeFromOutbox(ref: PartitionRef, ids: readonly number[]): void {
    const kept = this.#outbox.get(partitionName(ref))?.filter(({ row }) => !ids.includes(row.id));
    this.#outbox.set(partitionName(ref), kept ?? []);
  }

  newOutboxId(): number {
    return ++this.#outboxIds;
  }

  commit(lease: SyncLease, reach: SyncReach, effects: BatchEffects, outboxId: number | null, nowMs: number): void {
    const progress = this.progressOf(lease);
    progress.nextOffset = reach.through;
    progress.settledThrough = reach.settledThrough;
    for (const event of effects.events) this.events.set(event.eventId, event);
    for (const { entityId, sourceType } of effects.removals ?? []) this.#states.get(entityId)?.delete(sourceType);
    for (const state of effects.states) this.#putState(state, nowMs);
    for (const conflict of effects.conflicts) {
      const known = this.conflicts.get(conflict.conflictId);
      if (known === undefined || known.status === 'open') this.conflicts.set(conflict.conflictId, conflict);
    }
    const notes = new Map(effects.writeBacks.map((note) => [note.id, note]));
    this.writeBacks = this.writeBacks
      .map((writeBack) => ({ ...writeBack, ...notes.get(writeBack.id) }))
      .filter(({ heard, told }) => !heard || !told);
    for (const { topic, partition, outcome, count } of effects.counts) {
      const name = `${partitionName({ topic, partition })} ${outcome}`;
      this.counts.set(name, (this.counts.get(name) ?? 0) + count);
    }
    this.replays.push(...effects.replays);
    this.refused.keep(effects.refused);
    for (const { deadLetterId } of effects.replays) this.refused.close(deadLetterId);
    if (outboxId !== null) {
      const ref = { topic: lease.topic, partition: lease.partition };
      const placed = { ref, row: { id: outboxId, ...effects.outbox }, committedAtMs: nowMs };
      this.#outbox.set(partitionName(ref), [...(this.#outbox.get(partitionName(ref)) ?? []), placed]);
    }
  }

  #putState(row: StateRow, nowMs: number): void {
    const rows = this.#states.get(row.entityId) ?? new Map<string, StateRow>();
    rows.set(row.sourceType, row);
    this.#states.set(row.entityId, rows);
    this.#syncedAtMs.set(row.entityId, nowMs);
  }
}
