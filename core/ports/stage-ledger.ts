import type { EntityId } from '../change-event.ts';
import type { Outcome } from '../outcome.ts';
import type { Position } from '../position.ts';
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
   * The position `sync_state` holds for each entity from this source, null where it has none. Equal to a cache
   * entry's own position it proves the entry: everything sent on before it has arrived, and nothing was newer.
   */
  storedPositions(sourceType: string, entityIds: readonly EntityId[]): Promise<readonly (Position | null)[]>;
  /** Counts [lease.nextOffset, through) once and for all. Null when the lease is lost. */
  settle(lease: ProcessorLease, through: number, outcome: RangeOutcome): Promise<ProcessorLease | null>;
}
