import type { Position } from '../position.ts';
import type { PartitionRef } from './event-log.ts';

/**
 * What Redis is to us: a filter and nothing else. It may forget, go back in time or be replaced by another server at
 * any moment; the contract is that a read tells whether the entries can be trusted.
 */

/** Who may write the entries of a partition, and since when they can be trusted. */
export interface CacheTicket extends PartitionRef {
  /** The partition's lease: rises with every owner. */
  readonly token: number;
  /** Entries are valid only within one era; a new one begins whenever trust was lost. */
  readonly era: string;
}

export interface CacheRead {
  /** False: the server is another one, was restarted, flushed or rolled back, or someone else owns the partition. */
  readonly trusted: boolean;
  /** One per key asked for, null where nothing stands under this era. Empty when not trusted. */
  readonly entries: readonly (CacheEntry | null)[];
}

export interface CacheEntry {
  /** Empty: nothing is known of this key, and nothing may be stopped. */
  readonly fingerprint: string;
  /** The raw offset of the change that left this fingerprint. */
  readonly offset: number;
  /** The source position of that change; an older one coming late must not replace the entry. */
  readonly position: Position;
  /**
   * True when the tables proved that this state is stored and nothing older is on its way. Until then an equal record
   * is sent on: what was before a miss is not known, and what was sent on may be refused.
   */
  readonly settled: boolean;
  /** Of the record as it came, before mapping: equal bytes need no second look. Empty where the codec has none. */
  readonly digest: string;
}

export interface CacheWrite extends CacheEntry {
  readonly key: string;
}

export interface StateCache {
  /**
   * Puts the ticket's mark on the server. With the token of the owner before: only if that owner's mark of the same era
   * stands there untouched, on this very server; true then, and the entries of the era are whole. With null, for an era
   * that was begun just now: unless a higher token's mark stands there. False: nothing was changed.
   */
  take(ticket: CacheTicket, previousToken: number | null): Promise<boolean>;
  /** One round trip, whatever the number of keys. */
  read(ticket: CacheTicket, keys: readonly string[]): Promise<CacheRead>;
  /** False: nothing was written, because the mark is not the ticket's. */
  write(ticket: CacheTicket, entries: readonly CacheWrite[]): Promise<boolean>;
}
