import type { Checksum, EntityId, EventId, GoldenRecord, Operation } from '../change-event.ts';
import type { DeadLetter } from '../dead-letter.ts';
import type { JsonObject } from '../json.ts';
import type { EventStatus, Outcome, OutcomeCount } from '../outcome.ts';
import type { Position } from '../position.ts';
import type { PartitionRef } from './event-log.ts';

/** What the sync manager holds of a canonical partition. */
export interface SyncLease extends PartitionRef {
  readonly token: number;
  readonly nextOffset: number;
  /** The highest raw offset settled through this partition, by `topic/partition` of the raw topic. */
  readonly settledThrough: Readonly<Record<string, number>>;
}

/** What a row of `sync_state` says of its data without carrying it. */
export interface StateHead {
  readonly entityId: EntityId;
  readonly sourceType: string;
  readonly kind: string;
  readonly version: number;
  /** Null on golden rows: their order is the version. */
  readonly position: Position | null;
  readonly deleted: boolean;
  readonly checksum: Checksum | null;
  readonly eventId: EventId;
}

/** A row of `sync_state`: what one source says of an entity, or the golden row. */
export interface StateRow extends StateHead {
  readonly data: JsonObject | null;
}

export interface EventRow {
  readonly eventId: EventId;
  readonly sourceType: string;
  readonly sourceId: string;
  readonly entityId: EntityId;
  readonly operation: Operation;
  readonly data: JsonObject | null;
  readonly checksum: Checksum | null;
  readonly position: Position;
  readonly occurredAt: string;
  readonly receivedAtMs: number;
  readonly status: EventStatus;
  readonly correlationId: string;
}

export interface ConflictRow {
  readonly conflictId: string;
  readonly entityId: EntityId;
  readonly sourceType: string;
  readonly conflictType: string;
  readonly resolution: string;
  readonly details: JsonObject;
}

/** What has to be published because of a batch, in the order it must be published. */
export interface Outbox {
  /** Whose golden record moved. The record itself is read when it is published: only the newest version matters. */
  readonly resolved: readonly EntityId[];
  readonly deadLetters: readonly DeadLetter[];
  /** Keys whose cached state must not be trusted, because their change was rejected. */
  readonly forgets: readonly ForgetNotice[];
}

export interface ForgetNotice extends PartitionRef {
  readonly key: string;
}

export interface OutboxRow extends Outbox {
  readonly id: number;
}

export interface ReplayOutcome {
  readonly deadLetterId: string;
  readonly outcome: Outcome;
}

/** Everything one batch changes, decided before anything is written. */
export interface BatchEffects {
  readonly events: readonly EventRow[];
  /** At most one per (entity id, source type). */
  readonly states: readonly StateRow[];
  readonly conflicts: readonly ConflictRow[];
  readonly counts: readonly OutcomeCount[];
  readonly replays: readonly ReplayOutcome[];
  readonly outbox: Outbox;
}

export interface SyncTransaction {
  headsOf(entityIds: readonly EntityId[]): Promise<readonly StateHead[]>;
  /** With their data: asked for where more than one source speaks of an entity. */
  statesOf(entityIds: readonly EntityId[]): Promise<readonly StateRow[]>;
  /** Which of these events are stored already. */
  knownEvents(eventIds: readonly EventId[]): Promise<ReadonlySet<EventId>>;
  /** Called once, last. Returns the id of the outbox row, or null when nothing has to be published. */
  write(effects: BatchEffects): Promise<number | null>;
}

/** The batch's events were thought new and are not: decide again with all of them looked up. */
export class EventsKnown extends Error {}
/** The record itself is at fault, not the world: bisect. */
export class BatchRejected extends Error {}

export interface SyncStore {
  /** Takes the partition over from whoever had it. */
  acquire(ref: PartitionRef): Promise<SyncLease>;
  /**
   * One transaction: offset compare-and-set from `lease.nextOffset` to `through`, then `work`. Null when the lease is
   * lost, and then nothing happened. A serialisation failure or deadlock repeats the whole; whatever else the
   * database holds against the data rejects with `BatchRejected`.
   */
  transact(
    lease: SyncLease,
    through: number,
    settledThrough: Readonly<Record<string, number>>,
    work: (transaction: SyncTransaction) => Promise<void>,
  ): Promise<SyncLease | null>;
  /** Unpublished rows of the partition, oldest first. */
  pendingOutbox(lease: SyncLease): Promise<readonly OutboxRow[]>;
  /** Partitions with rows that nobody published for so long: their owner died and nothing new has arrived since. */
  strandedOutbox(olderThanMs: number): Promise<readonly PartitionRef[]>;
  /** Removes published rows. False: the lease is lost, someone newer may have published before us. */
  clearOutbox(lease: SyncLease, ids: readonly number[]): Promise<boolean>;
  goldenOf(entityIds: readonly EntityId[]): Promise<readonly GoldenRecord[]>;
  /** The installation's epoch, raised after a restore from a backup. */
  epoch(): Promise<number>;
}
