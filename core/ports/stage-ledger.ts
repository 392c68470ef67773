import type { EntityId } from '../change-event.ts';
import type { Outcome } from '../outcome.ts';
import type { Position } from '../position.ts';
import type { RefusedChange } from '../refused-change.ts';
import type { PartitionRef } from './event-log.ts';

/**
 * What the processor keeps in PostgreSQL for each raw partition: who owns it, how far it is, what was stopped.
 * Everything is a compare-and-set on the lease, so a process that lost the partition changes nothing.
 */
export interface ProcessorLease extends PartitionRef {
  readonly token: number;
  /** The token of the owner before: its mark on the cache is the one that keeps the era. */
  readonly previousToken: number;
  readonly nextOffset: number;
  /**
   * Records below this offset may have been sent on by an earlier owner: they are sent on again whatever the filter
   * says, so that a record has one outcome.
   */
  readonly claimedThrough: number;
  /** Of those, the ones an earlier owner announced to stop: they are stopped again. */
  readonly stoppedAhead: readonly number[];
  readonly era: string;
}

/** What became of the records of an offset range at the processor. */
export interface RangeOutcome {
  readonly forwarded: number;
  readonly stopped: Readonly<Partial<Record<Outcome, number>>>;
  /** What became dead letters here. */
  readonly refused?: readonly RefusedChange[];
}

/** What a cache entry claims: that the change at this raw offset, with this position, is the newest of its entity. */
export interface EntryClaim {
  readonly entityId: EntityId;
  readonly canonical: PartitionRef;
  /** On the raw topic. */
  readonly key: string;
  readonly position: Position;
  readonly offset: number;
}

export interface StageLedger {
  /** Takes the partition over from whoever had it. The era is kept only under the same configuration. */
  acquire(ref: PartitionRef, configId: string): Promise<ProcessorLease>;
  /** Null when the lease is lost. */
  beginEra(lease: ProcessorLease): Promise<ProcessorLease | null>;
  /**
   * Announces that records below `through` may be sent on, all but `stopped`, before any of them is sent. Null when the
   * lease is lost.
   */
  claim(lease: ProcessorLease, through: number, stopped: readonly number[]): Promise<ProcessorLease | null>;
  /**
   * For each claim whether the tables prove it, all seen at one moment: `sync_state` holds that very position for the
   * entity and source, the canonical partition is settled through that raw offset, so nothing older is on its way, and
   * no newer change of the key was refused, which a replay could bring back. A refused change whose position nobody
   * could read counts as newer until its dead letter is applied, superseded, or discarded before it was ever replayed.
   */
  proves(origin: PartitionRef, sourceType: string, claims: readonly EntryClaim[]): Promise<readonly boolean[]>;
  /** Counts [lease.nextOffset, through) once and for all, and keeps what was refused of it. Null when the lease is lost. */
  settle(lease: ProcessorLease, through: number, outcome: RangeOutcome): Promise<ProcessorLease | null>;
}
