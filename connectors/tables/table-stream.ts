import { SyncError } from '../../core/errors.ts';
import { keyColumnsOf } from '../../core/key-text.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type {
  SourceChange,
  SourceChunk,
  SourceMark,
  SourceResume,
  SourceStream,
  StreamCheck,
  StreamNotes,
  StreamPhase,
} from '../../core/ports/source-connector.ts';
import type { KeyBound, TableReader, TableSelection, TableShape } from '../../core/ports/table-reader.ts';
import { orderOf } from '../../core/position.ts';
import { deletionOf, identifyRow, type TableVoice } from './row-identity.ts';
import { dueAtMs, type Schedule } from './schedule.ts';
import { asMark, columnsOf, differenceOf, isSame, type TableMark, tableMarkFrom } from './table-mark.ts';
import { scanStart, TableScan } from './table-scan.ts';
import { keysIn, lastNumber, namesOf, scanNotes, ToldKeys } from './told-keys.ts';
import { RecentRows } from './watermark-poll.ts';

export interface TableStreamOptions {
  readonly kind: string;
  readonly selection: TableSelection;
  readonly mode: 'compare' | 'timestamp';
  readonly schedule: Schedule;
  readonly occurredAt: string | undefined;
  readonly overlapMs: number;
  readonly compareKeysEveryMs: number;
  /** What is compared then: whole rows, where a change need not move the watermark. Unsaid: keys alone. */
  readonly compares?: 'keys' | 'rows';
  readonly onSchemaChange: 'pause' | 'adapt';
  readonly batchRowsMax: number;
  readonly reader: TableReader;
  readonly clock: Clock;
}

const notesAtOnce = 500;
/** Behind all pages of a scan. */
const lastPage = 0xffff_ffff;

type Chunks<R> = AsyncGenerator<SourceChunk, R>;

/** A table that is asked again and again what has become of it. */
export class TableStream implements SourceStream {
  readonly name: string;
  readonly kinds: readonly string[];
  readonly #options: TableStreamOptions;

  constructor(options: TableStreamOptions) {
    this.name = options.kind;
    this.kinds = [options.kind];
    this.#options = options;
  }

  async *read({ mark, notes, accepted = false }: SourceResume, signal: AbortSignal): AsyncGenerator<SourceChunk> {
    const { reader, selection, mode } = this.#options;
    const recent = new RecentRows();
    const told = new ToldKeys(await lastNumber(notes));
    let state = tableMarkFrom(mark);
    let isFirst = true;
    while (await this.#isDue(state, signal)) {
      const shape = await reader.describe(selection);
      state = yield* this.#accept(state, shape, notes, accepted && isFirst);
      isFirst = false;
      // Stored before anything is read: after a crash what is read again has a higher order.
      const begunAtMs = this.#isUnderWay(state) ? state.begunAtMs : this.#options.clock.nowMs();
      state = { ...state, draw: state.draw + 1, begunAtMs };
      const voice = { kind: this.#options.kind, shape, occurredAt: this.#options.occurredAt };
      if (mode === 'compare') state = yield* this.#compare(state, voice, notes, told);
      else state = yield* this.#follow(state, voice, notes, told, recent);
      yield chunkOf(state, 'waiting');
    }
  }

  async check(): Promise<StreamCheck> {
    try {
      const shape = await this.#options.reader.describe(this.#options.selection);
      const watermark = shape.watermark === null ? '' : `, watermark ${shape.watermark}`;
      return {
        found: [`${shape.name}: ${shape.columns.length} columns, key ${shape.key.join(', ')}${watermark}`],
        problem: null,
      };
    } catch (error) {
      if (error instanceof SyncError) return { found: [], problem: error };
      throw error;
    }
  }

  #isUnderWay(state: TableMark): boolean {
    return state.scan !== null || state.cursor !== null;
  }

  /** False when it is told to end before. */
  async #isDue(state: TableMark, signal: AbortSignal): Promise<boolean> {
    const { clock, schedule } = this.#options;
    const dueMs = this.#isUnderWay(state) ? 0 : dueAtMs(schedule, state.begunAtMs);
    try {
      for (let leftMs = dueMs - clock.nowMs(); leftMs > 0; leftMs = dueMs - clock.nowMs())
        await clock.sleep(Math.min(leftMs, 60_000), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return !signal.aborted;
  }

  /** Columns that differ from those accepted last are accepted by configuration, or by whoever resumes the stream. */
  async *#accept(state: TableMark, shape: TableShape, notes: StreamNotes, wanted: boolean): Chunks<TableMark> {
    const columns = columnsOf(shape);
    const before = state.columns;
    if (before !== null && !isSame(before, columns) && !wanted && this.#options.onSchemaChange === 'pause') {
      throw new SyncError('source.schema-changed', `${shape.name} has changed: ${differenceOf(before, columns)}`, {
        details: { table: shape.name },
      });
    }
    const isKeptInOrder = before === null ? await isFiledBy(shape, notes) : state.order === shape.order;
    const accepted = { ...state, columns, order: shape.order };
    if (before !== null && isSame(before, columns) && isKeptInOrder) return accepted;
    if (!isKeptInOrder) yield* forgetNotes(accepted, notes);
    return { ...accepted, scan: { ...scanStart, tellsAll: true } };
  }

  async *#compare(from: TableMark, voice: TableVoice, notes: StreamNotes, told: ToldKeys): Chunks<TableMark> {
    const state = from.scan === null ? { ...from, scan: { ...scanStart, tellsAll: false } } : from;
    yield chunkOf(state, phaseOf(state));
    return yield* this.#scan(state, voice, notes, told, 'rows');
  }

  async *#follow(from: TableMark, voice: TableVoice, notes: StreamNotes, told: ToldKeys, recent: RecentRows): Chunks<TableMark> {
    const { reader, clock, compareKeysEveryMs } = this.#options;
    let state = from;
    if (state.scan?.tellsAll && state.scan.after === null) {
      // What is changed while everything is read lies above it.
      const watermark = await reader.highestWatermark(voice.shape);
      state = { ...state, high: watermark === null ? null : { watermark, key: null }, cursor: null, freshAtMs: clock.nowMs() };
    }
    yield chunkOf(state, phaseOf(state));
    if (state.scan !== null) state = yield* this.#scan(state, voice, notes, told, this.#options.compares ?? 'keys');
    state = yield* this.#poll({ ...state, draw: state.draw + 1 }, voice, told, recent);
    if (clock.nowMs() < state.keysAtMs + compareKeysEveryMs) return state;
    state = { ...state, draw: state.draw + 1, scan: { ...scanStart, tellsAll: false } };
    // The notes of a scan before must be stored before they are read.
    yield chunkOf(state, 'waiting');
    return yield* this.#scan(state, voice, notes, told, this.#options.compares ?? 'keys');
  }

  async *#scan(
    from: TableMark,
    voice: TableVoice,
    notes: StreamNotes,
    told: ToldKeys,
    compares: 'rows' | 'keys',
  ): Chunks<TableMark> {
    const { reader, batchRowsMax, clock } = this.#options;
    const { tellsAll, ...place } = from.scan!;
    // All that was noted before is stored: what is noted from now on is for the next scan.
    const noted = await namesOf(notes);
    told.renew();
    const scan = new TableScan(
      {
        voice,
        reader,
        notes: scanNotes(notes),
        compares,
        tellsAll,
        batchRowsMax,
        orderOf: (page) => orderIn(from.draw, page),
        nowMs: () => clock.nowMs(),
      },
      place,
    );
    let mark = asMark(from);
    for await (const { place: reached, changes, put, remove } of scan.steps()) {
      // Those that are known stand in a note of the scan.
      const announced = announcedOf(changes.filter(({ operation }) => operation !== 'update'));
      const note = announced.length === 0 ? null : told.single(announced);
      if (note !== null) yield { changes: [], mark, phase: phaseOf(from), notes: { put: [note], remove: [] } };
      mark = asMark({ ...from, scan: { ...reached, tellsAll } });
      const removed = note === null ? remove : [...remove, note.name];
      const notesNow = put.length + removed.length === 0 ? {} : { notes: { put, remove: removed } };
      yield { changes, mark, phase: phaseOf(from), ...notesNow };
    }
    yield* this.#gone(mark, from, voice, notes, noted);
    return { ...from, scan: null, keysAtMs: clock.nowMs() };
  }

  /** Rows that were told, or were about to be, and stood in no note when the scan began: they may be there no longer. */
  async *#gone(mark: SourceMark, from: TableMark, voice: TableVoice, notes: StreamNotes, noted: readonly string[]): Chunks<void> {
    const { reader, clock } = this.#options;
    const { shape } = voice;
    for (const name of noted) {
      const keys = await keysIn(notes, name);
      const bounds = keys.flatMap((key): KeyBound[] => {
        const columns = keyColumnsOf(shape.key, key);
        return columns === undefined ? [] : [shape.key.map((column) => String(columns[column]))];
      });
      const rows = await reader.rowsUnder(shape, bounds);
      const present = new Set(rows.map((row) => identifyRow(shape, row).key));
      const order = orderIn(from.draw, lastPage);
      const changes = keys.filter((key) => !present.has(key)).map((key) => deletionOf(voice, key, order, clock.nowMs()));
      yield { changes, mark, phase: phaseOf(from), notes: { put: [], remove: [name] } };
    }
  }

  async *#poll(from: TableMark, voice: TableVoice, told: ToldKeys, recent: RecentRows): Chunks<TableMark> {
    const { reader, batchRowsMax, clock, overlapMs } = this.#options;
    let state = from;
    yield chunkOf(state, 'changes');
    const options = {
      voice,
      reader,
      overlapMs,
      batchRowsMax,
      orderOf: (page: number) => orderIn(from.draw, page),
      nowMs: () => clock.nowMs(),
    };
    for await (const { changes, cursor } of recent.poll(from, options)) {
      const announced = announcedOf(changes).filter((key) => told.announce(key));
      if (announced.length > 0)
        yield { changes: [], mark: asMark(state), phase: 'changes', notes: { put: [told.note()], remove: [] } };
      state = { ...state, cursor, freshAtMs: changes.length > 0 ? clock.nowMs() : state.freshAtMs };
      yield { changes, mark: asMark(state), phase: 'changes' };
    }
    return { ...state, high: state.cursor ?? state.high, cursor: null };
  }
}

/** Stored before they are told: who dies in between leaves behind what may have to be taken back. */
function announcedOf(changes: readonly SourceChange[]): string[] {
  return changes.flatMap(({ key, operation, fault }) => (fault !== undefined || operation === 'delete' ? [] : [key]));
}

function orderIn(draw: number, page: number): string {
  return `${orderOf(draw)}-${page.toString(16).padStart(8, '0')}`;
}

function phaseOf({ scan }: TableMark): StreamPhase {
  return scan?.tellsAll ? 'snapshot' : 'changes';
}

function chunkOf(state: TableMark, phase?: StreamPhase): SourceChunk {
  return { changes: [], mark: asMark(state), ...(phase === undefined ? {} : { phase }) };
}

/** Notes outlive the mark: what is filed under a key of other parts cannot be asked for. */
async function isFiledBy({ key }: TableShape, notes: StreamNotes): Promise<boolean> {
  const [first] = await scanNotes(notes).heads('', 1);
  return first === undefined || (Array.isArray(first.head.high) && first.head.high.length === key.length);
}

/** Bounds in another order lead nowhere. */
async function* forgetNotes(state: TableMark, notes: StreamNotes): Chunks<void> {
  for (let after = ''; ; ) {
    const heads = await scanNotes(notes).heads(after, notesAtOnce);
    if (heads.length === 0) return;
    after = heads.at(-1)!.name;
    yield {
      changes: [],
      mark: asMark({ ...state, scan: { ...scanStart, tellsAll: true } }),
      notes: { put: [], remove: heads.map(({ name }) => name) },
      phase: 'waiting',
    };
  }
}
