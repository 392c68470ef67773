import type { SyncError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { TargetConnector, TargetRow } from './target-connector.ts';

/** A row as it stands in a system, in the shape in which the system's source half tells it. */
export interface SystemRow {
  readonly key: string;
  readonly row: TargetRow;
  /** Why it cannot be told, where it cannot; `row` is empty then. */
  readonly fault?: SyncError;
}

export interface SystemRange {
  readonly rows: readonly SystemRow[];
  /** Where the next range begins; null where there are no more rows. Small, and good for as long as the system stands. */
  readonly next: JsonObject | null;
}

/** A system that can be asked what it holds. Nothing is locked: rows change while they are read. */
export interface SystemReader {
  /** Finds its tables, and says what is missing. Called before anything else and again after every failure. */
  open(): Promise<void>;
  /**
   * The rows behind `after`, or the first ones, in an order of the system's own that never changes: a row that is there all
   * the while is met once, whatever its key looks like elsewhere. Rows without a key are left out. `limit` is what is read at most.
   * Rejects with `target.unavailable` or `target.misconfigured`; a source with `source.unavailable` or `source.misconfigured`.
   */
  readRange(kind: string, after: JsonObject | null, limit: number): Promise<SystemRange>;
  /**
   * The rows under these keys, each with the key that was asked for: the row itself may write it in another way (padded, in small
   * letters). Keys without a row, or that no row could have, are left out.
   */
  readKeys(kind: string, keys: readonly string[]): Promise<readonly SystemRow[]>;
}

/** Not every system that can be written to can be read by ranges. */
export function isReadable(connector: TargetConnector): connector is TargetConnector & SystemReader {
  return 'readRange' in connector && 'readKeys' in connector;
}
