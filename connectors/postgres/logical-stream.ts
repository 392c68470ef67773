import { SyncError } from '../../core/errors.ts';
import { keyColumnsOf, keyTextOf } from '../../core/key-text.ts';
import type {
  SourceChange,
  SourceChunk,
  SourceMark,
  SourceResume,
  SourceStream,
  StreamCheck,
  StreamNotes,
} from '../../core/ports/source-connector.ts';
import type { TableSelection } from '../../core/ports/table-reader.ts';
import { deletionOf } from '../tables/row-identity.ts';
import { columnsOf, differenceOf, isSame } from '../tables/table-mark.ts';
import { TableScan } from '../tables/table-scan.ts';
import { notedKeys, scanNotes, ToldKeys } from '../tables/told-keys.ts';
import { toldChanges } from './logged-changes.ts';
import { logicalCheck } from './logical-check.ts';
import { rowsUnder } from './logical-database.ts';
import type { FeedBatch, FeedInterrupt, TableFeed } from './logical-feed.ts';
import type { LogicalGround } from './logical-ground.ts';
import { asMark, type LogicalMark, logicalMarkFrom, scanStart } from './logical-mark.ts';
import { orderAt } from './logical-place.ts';
import type { LogicalShape } from './logical-shape.ts';
import type { TableSnapshot } from './logical-snapshot.ts';
import type { Lsn } from './pgoutput.ts';

export interface LogicalStreamOptions {
  readonly kind: string;
  readonly selection: TableSelection;
  readonly occurredAt: string | undefined;
  readonly onSchemaChange: 'pause' | 'adapt';
  readonly batchRowsMax: number;
  readonly ground: LogicalGround;
}

type Chunks<R> = AsyncGenerator<SourceChunk, R>;

const batchBytesMax = 4_000_000;
/** Quiet for so long, a table has kept up. */
const quietMs = 1_000;
/** A table in which nothing happens says so often how far it is, so that the server may forget. */
const idleMarkMs = 5_000;
const notesAtOnce = 500;

/** A table whose changes are read from the server's log, after all of it was read once. */
export class LogicalStream implements SourceStream {
  readonly name: string;
  readonly kinds: readonly string[];
  readonly #options: LogicalStreamOptions;

  constructor(options: LogicalStreamOptions) {
    this.name = options.kind;
    this.kinds = [options.kind];
    this.#options = options;
  }

  async *read({ mark, notes }: SourceResume, signal: AbortSignal): AsyncGenerator<SourceChunk> {
    const { ground, selection, kind } = this.#options;
    let state = logicalMarkFrom(mark);
    try {
      while (!signal.aborted) {
        const shape = await ground.describe(selection);
        state = yield* this.#accept(state, shape, notes);
        const end = await ground.prepare(kind, shape, state.at);
        if (state.scan !== null) state = yield* this.#scan(state, shape, notes, signal);
        if (state.scan === null) state = yield* this.#follow(state, shape, end, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      ground.left(kind);
    }
  }

  async acknowledge(mark: SourceMark): Promise<void> {
    const { at } = logicalMarkFrom(mark);
    if (at !== null) this.#options.ground.acknowledge(this.#options.kind, at.lsn);
  }

  async check(): Promise<StreamCheck> {
    try {
      const { ground, selection } = this.#options;
      const shape = await ground.describe(selection);
      const found = [`${shape.name}: ${shape.columns.length} columns, key ${shape.key.join(', ')}`];
      return await logicalCheck(ground.options, shape, found);
    } catch (error) {
      if (error instanceof SyncError) return { found: [], problem: error };
      throw error;
    }
  }

  /** Columns that differ from those accepted last are accepted by configuration, or by whoever resumes the stream. */
  async *#accept(state: LogicalMark, shape: LogicalShape, notes: StreamNotes): Chunks<LogicalMark> {
    const columns = columnsOf(shape);
    const before = state.columns;
    const accepted = { ...state, columns, offered: null, order: shape.order, oid: shape.oid };
    const isKeptInOrder = before === null || state.order === shape.order;
    if (before !== null && isSame(before, columns) && isKeptInOrder && state.oid === shape.oid) return accepted;
    if (before !== null && !isSame(before, columns)) {
      const isAccepted = this.#options.onSchemaChange === 'adapt' || (state.offered !== null && isSame(state.offered, columns));
      if (!isAccepted) {
        yield { changes: [], mark: asMark({ ...state, offered: columns }) };
        throw new SyncError('source.schema-changed', `${shape.name} has changed: ${differenceOf(before, columns)}`, {
          details: { table: shape.name },
        });
      }
    }
    const again = { ...accepted, scan: scanStart };
    if (!isKeptInOrder) yield* forgetNotes(again, notes);
    return again;
  }

  /**
   * Everything the table holds, at a moment the log knows. A scan that broke off has another moment: what was changed
   * between the two is told first, because what was read before the break may have changed, and so each key is told in order.
   */
  async *#scan(from: LogicalMark, shape: LogicalShape, notes: StreamNotes, signal: AbortSignal): Chunks<LogicalMark> {
    const { ground } = this.#options;
    const snapshot = await ground.snapshot(signal);
    try {
      let state = from;
      if (state.scan!.after !== null && state.at !== null) {
        const [reached, interrupt] = yield* this.#catchUp(state, shape, snapshot.lsn, signal);
        if (interrupt !== null) return { ...reached, scan: scanStart };
        state = reached;
      }
      state = { ...state, at: { lsn: snapshot.lsn, seq: 0 } };
      state = yield* this.#rows(state, shape, snapshot, notes);
      yield* this.#gone(state, shape, notes);
      return { ...state, scan: null };
    } finally {
      await ground.closeSnapshot(snapshot);
    }
  }

  async *#rows(from: LogicalMark, shape: LogicalShape, snapshot: TableSnapshot, notes: StreamNotes): Chunks<LogicalMark> {
    const { kind, occurredAt, batchRowsMax, ground } = this.#options;
    const scan = new TableScan(
      {
        voice: { kind, shape, occurredAt },
        reader: snapshot.reader,
        notes: scanNotes(notes),
        compares: 'keys',
        tellsAll: true,
        batchRowsMax,
        orderOf: () => orderAt(from.at!),
        nowMs: () => ground.options.clock.nowMs(),
      },
      from.scan!,
    );
    let state = from;
    for await (const { place, changes, put, remove } of scan.steps()) {
      state = { ...state, scan: place };
      yield { changes, mark: asMark(state), notes: { put, remove }, phase: 'snapshot' };
    }
    return state;
  }

  /** Rows that came after the scan before and are there no longer. */
  async *#gone(state: LogicalMark, shape: LogicalShape, notes: StreamNotes): Chunks<void> {
    const { kind, ground } = this.#options;
    for await (const { name, keys } of notedKeys(notes)) {
      const columns = keys.map((key) => keyColumnsOf(shape.key, key)).filter((each) => each !== undefined);
      const rows = await rowsUnder(ground.options.database, shape, columns, 'key');
      const present = new Set(rows.map((row) => keyTextOf(shape.key, row)));
      const order = orderAt(state.at!);
      const changes = keys
        .filter((key) => !present.has(key))
        .map((key) => deletionOf({ kind, shape, occurredAt: undefined }, key, order, ground.options.clock.nowMs()));
      yield { changes, mark: asMark(state), notes: { put: [], remove: [name] }, phase: 'snapshot' };
    }
  }

  async *#catchUp(
    from: LogicalMark,
    shape: LogicalShape,
    until: Lsn,
    signal: AbortSignal,
  ): Chunks<[state: LogicalMark, interrupt: FeedInterrupt | null]> {
    const feed = await this.#options.ground.subscribe(shape, from.at!, until);
    const keys = new ToldKeys(from.keys);
    try {
      let state = from;
      for (;;) {
        const batch = await feed.next(this.#options.batchRowsMax, batchBytesMax, quietMs, signal);
        const isReached = batch.place.lsn >= until;
        state = { ...state, at: isReached ? { lsn: until, seq: 0 } : batch.place };
        if (batch.changes.length > 0) [state] = yield* this.#tell(state, shape, batch, keys);
        if (batch.interrupt !== null || isReached) return [state, batch.interrupt];
      }
    } finally {
      feed.close();
    }
  }

  async *#follow(from: LogicalMark, shape: LogicalShape, end: Lsn, signal: AbortSignal): Chunks<LogicalMark> {
    const { ground, batchRowsMax } = this.#options;
    const { clock } = ground.options;
    const feed: TableFeed = await ground.subscribe(shape, from.at!, null);
    const keys = new ToldKeys(from.keys);
    let state = from;
    let quiet: { readonly sinceMs: number; readonly lsn: Lsn } | null = null;
    try {
      yield { changes: [], mark: asMark(state), phase: 'changes' };
      for (;;) {
        const batch = await feed.next(batchRowsMax, batchBytesMax, quietMs, signal);
        state = { ...state, at: batch.place };
        if (batch.changes.length > 0) {
          [state] = yield* this.#tell(state, shape, batch, keys);
          quiet = null;
        }
        if (batch.interrupt === 'truncate') return { ...state, scan: scanStart };
        if (batch.interrupt === 'shape' || !(await ground.watch.isAsKnown(shape))) return this.#another(state, shape);
        const { lsn } = batch.place;
        if (batch.changes.length > 0 || lsn < end) continue;
        if (quiet !== null && (lsn === quiet.lsn || clock.nowMs() - quiet.sinceMs < idleMarkMs)) continue;
        quiet = { sinceMs: clock.nowMs(), lsn };
        yield { changes: [], mark: asMark(state), phase: 'waiting', lagMs: 0 };
      }
    } finally {
      feed.close();
    }
  }

  async *#tell(state: LogicalMark, shape: LogicalShape, batch: FeedBatch, keys: ToldKeys): Chunks<[LogicalMark]> {
    const { ground, kind, occurredAt } = this.#options;
    const { database, clock } = ground.options;
    const changes: SourceChange[] = await toldChanges(database, { kind, shape, occurredAt }, batch.changes);
    let isNoted = false;
    for (const { operation, key } of batch.changes) {
      if (key === undefined || operation === 'update') continue;
      if (operation === 'create') keys.created(key);
      else keys.deleted(key);
      isNoted ||= operation === 'create';
    }
    const put = isNoted ? [keys.note()] : [];
    const told = isNoted ? { ...state, keys: keys.number } : state;
    const lagMs = Math.max(0, clock.nowMs() - batch.changes.at(-1)!.committedAtMs);
    yield {
      changes,
      mark: asMark(told),
      phase: told.scan === null ? 'changes' : 'snapshot',
      lagMs,
      ...(isNoted ? { notes: { put, remove: [] } } : {}),
    };
    return [told];
  }

  /** The table was looked at again and is as it was accepted, though the log told otherwise: it was another for a while. */
  async #another(state: LogicalMark, known: LogicalShape): Promise<LogicalMark> {
    const shape = await this.#options.ground.describe(this.#options.selection);
    return shape.signature === known.signature ? { ...state, scan: scanStart } : state;
  }
}

/** Bounds in another order lead nowhere. */
async function* forgetNotes(state: LogicalMark, notes: StreamNotes): Chunks<void> {
  for (let after = ''; ; ) {
    const heads = await notes.heads(after, notesAtOnce);
    if (heads.length === 0) return;
    after = heads.at(-1)!.name;
    yield { changes: [], mark: asMark(state), notes: { put: [], remove: heads.map(({ name }) => name) }, phase: 'waiting' };
  }
}
