import type { Operation } from '../change-event.ts';
import type { SyncError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { SystemReader } from './system-reader.ts';

/** Where a stream is in what it reads, opaque to everyone but the connector that made it. Small: it is stored with every chunk. */
export type SourceMark = JsonObject;

export interface SourceChange {
  readonly kind: string;
  readonly key: string;
  readonly operation: Operation;
  /**
   * What orders the changes of one key within the stream's epoch, compared as bytes: at most 64 visible ASCII characters.
   * A record that is read again later, after a crash too, must get a higher one unless it is certain to be the same:
   * a connector whose source has no order of its own counts its readings in the mark, and stores that before it reads.
   */
  readonly order: string;
  readonly occurredAtMs: number;
  /** The whole record; null for a delete. */
  readonly data: JsonObject | null;
  /** The record cannot be told, and why: it becomes a dead letter, and what follows goes on. `data` is null then. */
  readonly fault?: SyncError;
}

/** What a stream keeps beside its mark because it is too much to be stored with every chunk. */
export interface StreamNote {
  /** Compared as bytes: at most 500 visible ASCII characters. */
  readonly name: string;
  readonly head: JsonObject;
  readonly body: Uint8Array;
}

export interface StreamNotes {
  /** In the order of their names, those behind `after`. */
  heads(after: string, limit: number): Promise<readonly Pick<StreamNote, 'name' | 'head'>[]>;
  body(name: string): Promise<Uint8Array | null>;
}

export interface SourceChunk {
  readonly changes: readonly SourceChange[];
  /** Stored once Kafka has acknowledged the changes, and before any change of the next chunk is sent. Reading goes on from here after a crash. */
  readonly mark: SourceMark;
  /** Stored and removed in the transaction that stores the mark. */
  readonly notes?: { readonly put: readonly StreamNote[]; readonly remove: readonly string[] };
  /** What is to be said of where the stream is. Unsaid: as before. */
  readonly phase?: StreamPhase;
  /** How old the changes of the source are that come next, where it knows. */
  readonly lagMs?: number;
}

/**
 * snapshot   reads what there is for the first time
 * changes    keeps up
 * waiting    has kept up, until the next time it looks. Such a chunk is stored before the next one is asked for
 */
export type StreamPhase = 'snapshot' | 'changes' | 'waiting';

export interface SourceResume {
  /** Null at the beginning of an epoch. */
  readonly mark: SourceMark | null;
  /**
   * As of the mark. What a chunk puts or removes shows here when it is stored. They outlive the epoch: who begins anew
   * with a mark of null may still find out from them what is there no longer.
   */
  readonly notes: StreamNotes;
  /** Somebody has resumed the stream and nothing was stored since: what it threw `source.schema-changed` for is accepted. */
  readonly accepted?: boolean;
}

/** What is read one after the other and resumes by itself: a table that is polled, or one that is read from a replication slot. */
export interface SourceStream {
  /** Unique within its source: letters, digits, `.`, `_` and `-`. */
  readonly name: string;
  readonly kinds: readonly string[];
  /**
   * Everything there is, and then every change, chunk by chunk, from a mark on or from the beginning. It finds what it
   * needs (table, columns, permissions) anew at each call. Several chunks may be asked for before the first is
   * acknowledged, but no more than a bounded number: nothing is read faster than Kafka takes it.
   *
   * Ends only when the signal says so, and then at once. Throws
   * - `source.unavailable` and `source.misconfigured` (what to do stands in its message): called again after a while;
   * - `source.schema-changed`: called again when somebody has resumed the stream, with `accepted`;
   * - `source.position-lost`: called again from the beginning, in the next epoch.
   *
   * One call per stream at a time in the whole installation, as far as leases can promise that. A caller that ends early
   * calls `return` on the iterator, and what was opened is closed then.
   */
  read(from: SourceResume, signal: AbortSignal): AsyncIterable<SourceChunk>;
  /** Everything up to this mark is in Kafka and stored: the source may forget it. Called with the latest mark only. */
  acknowledge?(mark: SourceMark): Promise<void>;
  /** What stands in the way of reading, in words that say what to do. Reads nothing of the data and changes nothing. */
  check(): Promise<StreamCheck>;
}

export interface StreamCheck {
  /** What it found, one short line each: `table public.product: 7 columns, key sku`. */
  readonly found: readonly string[];
  readonly problem: SyncError | null;
}

/** One configured source. Making it opens nothing; connections are opened by those who read. */
export interface SourceConnector {
  readonly streams: readonly SourceStream[];
  /** What the source holds at present, where it can be asked. Its rows are told as the streams tell them. */
  readonly reader?: SystemReader;
  /** How often figures of its reading are logged; undefined: never. */
  readonly statisticsEveryMs?: number;
  /** The opener calls it once, when no stream is being read and nothing is asked. */
  close(): Promise<void>;
}
