/**
 * Tables as they are read by asking again and again. The engine in `connectors/tables` decides what to ask and what has
 * changed; a reader is the dialect of one database.
 */

export interface TableSelection {
  /** As it is configured: `name`, or `schema.name`. */
  readonly table: string;
  /** The columns that tell a row; empty: its primary key. */
  readonly key: readonly string[];
  /** Undefined: all there are. Those of the key and the watermark are read anyway. */
  readonly columns: readonly string[] | undefined;
  /** The column that rises with every change of a row. */
  readonly watermark: string | null;
}

export interface TableShape {
  /** As messages call it. */
  readonly name: string;
  readonly key: readonly string[];
  /** Those that are read, in the table's order. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly watermark: string | null;
  /** Says how keys are ordered: types, collations and their versions. When it differs, bounds that were stored mean something else. */
  readonly order: string;
}

/**
 * A key as the database takes it back as a bound: the text of each of its columns. Only the database compares keys, in
 * an order of its own that is total and the same in every question, so no order has to be agreed on.
 */
export type KeyBound = readonly string[];

export interface KeyRange {
  /** Exclusive; null: from the first key on. */
  readonly after: KeyBound | null;
  /** Inclusive; null: to the last key. */
  readonly upTo: KeyBound | null;
}

export interface TableRow {
  readonly bound: KeyBound;
  /**
   * The row as JSON, in the shape in which a target of this database tells it (`TargetRow`), digits not lost: read by
   * `parseExact`. Rows are equal where their texts are equal; the same row always has the same text.
   */
  readonly text: string;
  /** As the database takes it back; null where the row or the table has none. */
  readonly watermark: string | null;
}

export interface WatermarkBound {
  readonly watermark: string;
  /** Rows behind this key at just this watermark, and all above it; null: all from this watermark on, itself included. */
  readonly key: KeyBound | null;
}

/**
 * Several calls may run at once, for different tables. Each sees one moment of the database, no earlier than those before
 * it saw, and ends within a time limit of its own. Connections that broke are opened anew by the next call. All reject with
 * `source.unavailable`, or with `source.misconfigured`, whose message says what to do: the GRANT that is missing, the
 * column that is meant.
 */
export interface TableReader {
  /**
   * What the selection means in this database at present. Rejects with `source.misconfigured` where table, column or
   * permission are missing, where there is no key, and where the columns configured as a key do not tell the rows apart.
   */
  describe(selection: TableSelection): Promise<TableShape>;
  /** The first `limit` rows of the range in the order of their keys; `columns: 'key'` reads those of the key alone. */
  rows(shape: TableShape, range: KeyRange, limit: number, columns: 'all' | 'key'): Promise<readonly TableRow[]>;
  /**
   * The rows under these keys, whole, in no order: a key is the texts of its columns as the rows' own JSON tells them. Keys that no
   * row could have are left out; where the database holds different texts for one, so may be a row whose key is another text.
   */
  rowsUnder(shape: TableShape, keys: readonly KeyBound[]): Promise<readonly TableRow[]>;
  /** The first `limit` rows in the order of (watermark, key); null: from the lowest watermark on. Rows without watermark are not told. */
  rowsSince(shape: TableShape, from: WatermarkBound | null, limit: number): Promise<readonly TableRow[]>;
  /** Null where no row has one. */
  highestWatermark(shape: TableShape): Promise<string | null>;
  /** A watermark that lies so much before this one: milliseconds where it is a time, as many where it is a number. */
  watermarkBefore(shape: TableShape, watermark: string, overlapMs: number): Promise<string>;
  /** The opener calls it once, when no call is under way. */
  close(): Promise<void>;
}
