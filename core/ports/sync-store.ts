import type { Checksum, EntityId, EventId, GoldenRecord, Operation } from '../change-event.ts';
import type { GoldenVoice } from '../conflict/conflict.ts';
import type { Voice } from '../conflict/voice.ts';
import type { WriteBack, WriteBackNote } from '../conflict/write-back.ts';
import type { DeadLetter } from '../dead-letter.ts';
import type { DifferenceChanges } from '../differences/difference.ts';
import type { Rejoin } from '../identity/move.ts';
import type { JsonObject } from '../json.ts';
import type { EventStatus, Outcome, OutcomeCount } from '../outcome.ts';
import type { Position } from '../position.ts';
import type { RefusedChange } from '../refused-change.ts';
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
  /** Which record of its source it is about, where several had their turn; absent for the first. */
  readonly tenure?: number;
}

/** A row of `sync_state`: what one source says of an entity, or the golden row. */
export interface StateRow extends StateHead {
  readonly data: JsonObject | null;
  /** What the conflict engine keeps beside the data: a source's row has a Voice, the golden row a GoldenVoice. */
  readonly voice: Voice | GoldenVoice | null;
}

export interface EventRow {
  readonly eventId: EventId;
  readonly sourceType: string;
  readonly sourceId: string;
  readonly entityId: EntityId;
  readonly operation: Operation | 'leave';
  readonly data: JsonObject | null;
  readonly checksum: Checksum | null;
  readonly position: Position;
  readonly occurredAt: string;
  readonly receivedAtMs: number;
  readonly status: EventStatus;
  readonly correlationId: string;
  /** The golden version that the event made; null where it made none. */
  readonly goldenVersion: number | null;
  /** That version's data where they are not the event's own. */
  readonly goldenData?: JsonObject | null;
}

export interface ConflictRow {
  readonly conflictId: string;
  readonly entityId: EntityId;
  readonly kind: string;
  readonly sourceType: string;
  readonly conflictType: string;
  readonly status: string;
  readonly resolution: string;
  readonly fields: readonly string[];
  readonly details: JsonObject;
}

/** What has to be published because of a batch, in the order it must be published. */
export interface Outbox {
  /** Whose golden record moved. The record itself is read when it is published: only the newest version matters. */
  readonly resolved: readonly EntityId[];
  readonly deadLetters: readonly DeadLetter[];
  /** Keys whose cached state must not be trusted, because their change was rejected. */
  readonly forgets: readonly ForgetNotice[];
  /** What is known of records that moved to another entity. Absent where none did. */
  readonly rejoins?: readonly RejoinNotice[];
}

export interface ForgetNotice extends PartitionRef {
  readonly key: string;
}

/** Goes to the raw partition of the record's key. */
export interface RejoinNotice extends PartitionRef {
  readonly key: string;
  readonly rejoin: Rejoin;
}

export interface OutboxRow extends Outbox {
  readonly id: number;
}

export interface ReplayOutcome {
  readonly deadLetterId: string;
  readonly outcome: Outcome;
}

export interface StateKey {
  readonly entityId: EntityId;
  readonly sourceType: string;
}

/** Everything one batch changes, decided before anything is written. */
export interface BatchEffects {
  readonly events: readonly EventRow[];
  /** At most one per (entity id, source type). */
  readonly states: readonly StateRow[];
  /** Rows of records that left their entity, and of which none came instead. Absent where there are none. */
  readonly removals?: readonly StateKey[];
  /** At most one per conflict: one that is known already has moved or ended. */
  readonly conflicts: readonly ConflictRow[];
  /** What became of write-backs that the batch heard of. */
  readonly writeBacks: readonly WriteBackNote[];
  readonly differences: DifferenceChanges;
  readonly counts: readonly OutcomeCount[];
  readonly replays: readonly ReplayOutcome[];
  readonly refused: readonly RefusedChange[];
  readonly outbox: Outbox;
}

/** How far a batch brings its partition. */
export interface SyncReach {
  readonly through: number;
  readonly settledThrough: Readonly<Record<string, number>>;
}

export function movedTo(lease: SyncLease, { through, settledThrough }: SyncReach): SyncLease {
  return { ...lease, nextOffset: through, settledThrough };
}

export interface Written {
  readonly lease: SyncLease;
  /** Null when nothing has to be published. */
  readonly outboxId: number | null;
}

/** The batch's events were thought new and are not: decide again with all of them looked up. */
export class EventsKnown extends Error {}
/** The record itself is at fault, not the world: bisect. */
export class BatchRejected extends Error {}

export interface SyncStore {
  /** Takes the partition over from whoever had it. */
  acquire(ref: PartitionRef): Promise<SyncLease>;
  /**
   * The rows of an entity are written by the owner of its partition alone, so what an owner reads stands until it writes:
   * an owner before it has finished or failed when `acquire` returns.
   */
  headsOf(entityIds: readonly EntityId[]): Promise<readonly StateHead[]>;
  /** With their data and voices: asked for where more than one source speaks of an entity. */
  statesOf(entityIds: readonly EntityId[]): Promise<readonly StateRow[]>;
  /** Which of these events are stored already. */
  knownEvents(eventIds: readonly EventId[]): Promise<ReadonlySet<EventId>>;
  /** Write-backs to these targets that were not both heard of and told by their system, oldest first. */
  writeBacksOf(targets: readonly string[], entityIds: readonly EntityId[]): Promise<readonly WriteBack[]>;
  /**
   * One transaction: the offset by compare-and-set from `lease.nextOffset`, and all effects. Null when the lease is
   * lost, and then nothing happened. A serialisation failure or deadlock repeats the whole; an event that is stored
   * already rejects with `EventsKnown`, whatever else the database holds against the data with `BatchRejected`.
   */
  write(lease: SyncLease, reach: SyncReach, effects: BatchEffects): Promise<Written | null>;
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

export function publishesNothing({ resolved, deadLetters, forgets, rejoins = [] }: Outbox): boolean {
  return resolved.length + deadLetters.length + forgets.length + rejoins.length === 0;
}
