import { z } from 'zod';
import { isSyncError, SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type {
  SourceChunk,
  SourceMark,
  SourceResume,
  SourceStream,
  StreamCheck,
  StreamPhase,
} from '../../core/ports/source-connector.ts';
import type { TableReader, TableSelection, TableShape } from '../../core/ports/table-reader.ts';
import { orderOf } from '../../core/position.ts';
import { columnsOf, differenceOf, isSame } from '../tables/table-mark.ts';
import { type ScanPlace, scanStart, TableScan } from '../tables/table-scan.ts';
import { ChangelogDrain } from './changelog-drain.ts';
import { type BaselineGate, beginGate, checkLog, dropStanding, findLogged, passGate } from './changelog-gate.ts';
import { logNamesOf } from './changelog-schema.ts';
import { ChangelogSignal } from './changelog-signal.ts';
import { asSourceError } from './firebird-fault.ts';
import { type FirebirdPlace, nameOf } from './firebird-place.ts';
import { attachReader, type FirebirdSession } from './firebird-session.ts';
import type { FirebirdTable } from './firebird-table.ts';

export interface ChangelogStreamOptions {
  readonly kind: string;
  readonly place: FirebirdPlace;
  readonly reader: TableReader;
  readonly clock: Clock;
  readonly selection: TableSelection;
  readonly onSchemaChange: 'pause' | 'adapt';
  readonly pollIntervalMs: number;
  readonly batchRowsMax: number;
}

const placeSchema = z.object({ after: z.array(z.string()).readonly().nullable(), rank: z.string() });
const markSchema = z.object({
  /** Rises whenever reading begins or is taken up again: of two readings of a row the later has the higher order. */
  draw: z.int(),
  columns: z.array(z.string()),
  offered: z.array(z.string()).nullable(),
  /** What has to be over before everything is read for the first time. */
  gate: z.object({ transaction: z.string(), lost: z.string() }),
  gatePassed: z.boolean(),
  /** How far everything has been read; null: to the end. */
  baseline: placeSchema.nullable(),
});
type LogMark = z.output<typeof markSchema>;

interface Opened {
  readonly session: FirebirdSession;
  readonly table: FirebirdTable;
  readonly shape: TableShape;
  readonly wakeUp: ChangelogSignal;
}

/** Chunks of one moment: so long is a transaction held open at most. */
const chunksPerDrainMax = 20;

/** A table whose triggers note what changed. Everything is read once, and from then on what the log names. */
export class ChangelogStream implements SourceStream {
  readonly name: string;
  readonly kinds: readonly string[];
  readonly #options: ChangelogStreamOptions;

  constructor(options: ChangelogStreamOptions) {
    this.name = options.kind;
    this.kinds = [options.kind];
    this.#options = options;
  }

  async *read(from: SourceResume, signal: AbortSignal): AsyncGenerator<SourceChunk> {
    const { place, selection, reader } = this.#options;
    const shape = await reader.describe(selection);
    const session = await this.#asked(() => attachReader(place));
    let wakeUp: ChangelogSignal | undefined;
    try {
      const table = await this.#asked(() => findLogged(session, selection));
      wakeUp = new ChangelogSignal(place, logNamesOf(table.relation.name).event);
      // Listening before anything is read: what is noted from now on calls.
      await wakeUp.listen();
      yield* this.#follow(from, { session, table, shape, wakeUp }, signal);
    } finally {
      await wakeUp?.close();
      await session.detach();
    }
  }

  async check(): Promise<StreamCheck> {
    const { place, selection, reader } = this.#options;
    let session: FirebirdSession | undefined;
    try {
      const shape = await reader.describe(selection);
      session = await this.#asked(() => attachReader(place));
      const { relation } = await this.#asked(() => findLogged(session!, selection));
      await this.#asked(() => checkLog(session!, relation.name));
      return {
        found: [`${shape.name}: ${shape.columns.length} columns, key ${shape.key.join(', ')}, change log`],
        problem: null,
      };
    } catch (error) {
      if (error instanceof SyncError) return { found: [], problem: error };
      throw error;
    } finally {
      await session?.detach();
    }
  }

  async *#follow({ mark, notes }: SourceResume, opened: Opened, signal: AbortSignal): AsyncGenerator<SourceChunk> {
    const { reader, place, batchRowsMax, clock, kind } = this.#options;
    const { session, table, shape, wakeUp } = opened;
    let state = yield* this.#accepted(mark, shape, () => this.#asked(() => beginGate(session, table.relation.name)));
    if (!state.gatePassed) {
      await this.#asked(() => checkLog(session, table.relation.name));
      await this.#asked(() => passGate(session, state.gate, clock, signal));
      if (signal.aborted) return;
      await this.#asked(() => dropStanding(session, table));
      state = { ...state, gatePassed: true };
    }
    if (state.baseline !== null) {
      state = { ...state, draw: state.draw + 1 };
      yield chunkOf(state, 'snapshot');
      const options = {
        voice: { kind, shape, occurredAt: undefined },
        reader,
        notes,
        batchRowsMax,
        compares: 'keys',
        tellsAll: true,
      } as const;
      const { draw } = state;
      const scan = new TableScan(
        { ...options, orderOf: (page) => orderIn(draw, page), nowMs: () => clock.nowMs() },
        state.baseline!,
      );
      for await (const { place: reached, changes, put, remove } of scan.steps()) {
        state = { ...state, baseline: reached as LogMark['baseline'] };
        yield {
          changes,
          mark: asMark(state),
          phase: 'snapshot',
          ...(put.length + remove.length === 0 ? {} : { notes: { put, remove } }),
        };
      }
      state = { ...state, baseline: null };
      yield chunkOf(state, 'changes');
    }
    const drainOptions = { kind, table, unspecified: place.characterSet, nowMs: () => clock.nowMs() };
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const drain = await this.#asked(() => ChangelogDrain.begin(session, drainOptions));
      const draw = state.draw + 1;
      let told = 0;
      try {
        if ((await this.#asked(() => drain.lost())) !== state.gate.lost) throw logWasFull(shape);
        // Its columns changed: who calls again looks at them anew.
        if ((await this.#asked(() => drain.format())) !== table.relation.format)
          throw new SyncError('source.unavailable', `${shape.name} is being changed`);
        for (; told < chunksPerDrainMax && !signal.aborted; told++) {
          const changes = await this.#asked(() => drain.next(batchRowsMax, orderIn(draw, told)));
          if (changes === null) break;
          if (told === 0) {
            // Stored before a change is sent: after a crash what is read again has a higher order.
            state = { ...state, draw };
            yield chunkOf(state, 'changes');
          }
          yield { changes, mark: asMark(state) };
        }
        if (signal.aborted) return;
        // Such a chunk is stored before the next is asked for, and with it all that was told.
        if (told > 0 || isFirst) yield chunkOf(state, 'waiting');
        await this.#asked(() => drain.finish());
      } finally {
        await drain.leave();
      }
      if (told === 0) await wakeUp.wait(this.#options.pollIntervalMs, signal);
    }
  }

  /** Columns that differ from those accepted last are accepted by configuration, or by whoever resumes the stream. */
  async *#accepted(
    mark: SourceMark | null,
    shape: TableShape,
    gate: () => Promise<BaselineGate>,
  ): AsyncGenerator<SourceChunk, LogMark> {
    const columns = columnsOf(shape);
    if (mark === null) {
      const state: LogMark = {
        draw: 0,
        columns,
        offered: null,
        gate: await gate(),
        gatePassed: false,
        baseline: begin(scanStart),
      };
      yield chunkOf(state, 'snapshot');
      return state;
    }
    const state = markSchema.parse(mark);
    if (isSame(state.columns, columns)) return { ...state, offered: null };
    const isAccepted = this.#options.onSchemaChange === 'adapt' || (state.offered !== null && isSame(state.offered, columns));
    if (isAccepted) return { ...state, columns, offered: null, baseline: begin(scanStart) };
    yield chunkOf({ ...state, offered: columns });
    throw new SyncError('source.schema-changed', `${shape.name} has changed: ${differenceOf(state.columns, columns)}`, {
      details: { table: shape.name },
    });
  }

  async #asked<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (error) {
      throw isSyncError(error)
        ? error
        : asSourceError(error, nameOf(this.#options.place), '; `syncline firebird install --reader USER` grants it');
    }
  }
}

function begin({ after, rank }: ScanPlace): LogMark['baseline'] {
  return { after, rank };
}

function logWasFull({ name }: TableShape): SyncError {
  return new SyncError(
    'source.position-lost',
    `the change log of ${name} was full, and changes went unnoted: everything is read again`,
    {
      details: { table: name },
    },
  );
}

function orderIn(draw: number, page: number): string {
  return `${orderOf(draw)}-${page.toString(16).padStart(8, '0')}`;
}

function asMark(mark: LogMark): SourceMark {
  return mark as unknown as SourceMark;
}

function chunkOf(state: LogMark, phase?: StreamPhase): SourceChunk {
  return { changes: [], mark: asMark(state), ...(phase === undefined ? {} : { phase }) };
}
