import type { Operation } from '../../core/change-event.ts';
import { SyncError } from '../../core/errors.ts';
import type { SourceChange, StreamNote, StreamNotes } from '../../core/ports/source-connector.ts';
import type { KeyBound, TableReader, TableRow } from '../../core/ports/table-reader.ts';
import { rankBetween } from './rank.ts';
import { changeOf, deletionOf, digestOf, type IdentifiedRow, identifyRow, type TableVoice } from './row-identity.ts';
import { ChunkCursor, type ChunkEntries, entriesOf, noteOf, type ScanChunk } from './scan-chunk.ts';

/** How far a scan is: the last key looked at, and the chunk it was filed in. */
export interface ScanPlace {
  readonly after: KeyBound | null;
  readonly rank: string;
}

export const scanStart: ScanPlace = { after: null, rank: '' };

export interface ScanStep {
  readonly place: ScanPlace;
  readonly changes: readonly SourceChange[];
  readonly put: readonly StreamNote[];
  readonly remove: readonly string[];
}

export interface ScanOptions {
  readonly voice: TableVoice;
  readonly reader: TableReader;
  readonly notes: StreamNotes;
  /** keys: only which rows there are, for tables that tell by a watermark what was changed. */
  readonly compares: 'rows' | 'keys';
  /** Every row is told, whatever is known of it. */
  readonly tellsAll: boolean;
  readonly batchRowsMax: number;
  orderOf(page: number): string;
  nowMs(): number;
}

interface Page {
  readonly rows: readonly FiledRow[];
  /** The range ends with it. */
  readonly complete: boolean;
}

interface FiledRow {
  readonly read: TableRow;
  /** The text that is compared. */
  readonly token: string;
  /** Where it had to be made out for that. */
  readonly row?: IdentifiedRow;
}

interface KnownRow extends FiledRow {
  readonly row: IdentifiedRow;
}

const pageBytesMax = 8_000_000;
/** Asked for where nothing is known of how large the rows are. */
const firstPageRows = 100;

/**
 * Once through a table in the order of its keys, chunk by chunk against what is known of each. Only the database
 * compares keys: a chunk is asked for by its bounds, and what is known of it is matched by equality.
 */
export class TableScan {
  readonly #options: ScanOptions;
  readonly #chunkRows: number;
  #place: ScanPlace;
  #pages = 0;
  #rowBytes: number | undefined;

  constructor(options: ScanOptions, from: ScanPlace) {
    this.#options = options;
    this.#place = from;
    // Room to grow, so that one more row does not split a chunk.
    this.#chunkRows = Math.max(1, Math.floor(options.batchRowsMax * 0.8));
  }

  async *steps(): AsyncGenerator<ScanStep> {
    const small = { rowsMax: this.#chunkRows / 2, bytesMax: pageBytesMax / 2 };
    const cursor = new ChunkCursor(this.#options.notes, this.#place.rank, small);
    for (let group = await cursor.next(); group.length > 0; group = await cursor.next()) yield* this.#compare(group);
    yield* this.#append();
  }

  /** What lies within the bounds of chunks that are known. */
  async *#compare(group: readonly ScanChunk[]): AsyncGenerator<ScanStep> {
    const { rank, high } = group.at(-1)!;
    let known: ChunkEntries | undefined;
    let replaced = group.map((chunk) => chunk.rank);
    for (;;) {
      const page = await this.#page(high, group);
      if (known === undefined && page.complete && group.length === 1 && this.#isUnchanged(page, group[0]!)) {
        yield this.#step({ after: high, rank }, [], [], []);
        return;
      }
      known ??= await entriesOf(this.#options.notes, group);
      const { changes, told } = await this.#differences(page, known);
      if (page.complete) {
        const { voice, nowMs } = this.#options;
        for (const key of known.keys()) changes.push(deletionOf(voice, key, this.#order(), nowMs()));
        const put = told.length === 0 ? [] : [this.#noteOf(told, rank, high)];
        yield this.#step({ after: high, rank }, changes, put, replaced);
        return;
      }
      // More was put in between than one page holds: what is left of the chunk keeps its rank.
      const put = this.#parts(told, rank);
      const before = put.at(-1)?.name ?? this.#place.rank;
      put.push(noteOf({ rank, high, rows: known.size, bytes: 0, digest: '' }, known));
      yield this.#step({ after: page.rows.at(-1)!.read.bound, rank: before }, changes, put, replaced);
      replaced = [rank];
    }
  }

  /** What lies behind all that is known. */
  async *#append(): AsyncGenerator<ScanStep> {
    for (;;) {
      const page = await this.#page(null, []);
      const last = page.rows.at(-1);
      if (last === undefined) return;
      const { changes, told } = await this.#differences(page, new Map());
      const put = this.#parts(told, null);
      yield this.#step({ after: last.read.bound, rank: put.at(-1)?.name ?? this.#place.rank }, changes, put, []);
      if (page.complete) return;
    }
  }

  async #page(upTo: KeyBound | null, group: readonly ScanChunk[]): Promise<Page> {
    const { reader, voice, compares, tellsAll } = this.#options;
    const limit = this.#limit(group);
    const columns = compares === 'rows' || tellsAll ? 'all' : 'key';
    const rows = await reader.rows(voice.shape, { after: this.#place.after, upTo }, limit, columns);
    if (rows.length > 0 && columns === 'all') this.#rowBytes = Math.max(1, bytesOf(rows) / rows.length);
    return { rows: rows.map((read) => this.#filed(read)), complete: rows.length < limit };
  }

  #filed(read: TableRow): FiledRow {
    const { voice, compares } = this.#options;
    if (compares === 'rows') return { read, token: read.text };
    const row = identifyRow(voice.shape, read);
    return { read, token: row.key, row };
  }

  /** So many that a chunk that has grown a little is read whole, and so few that large rows do not fill the memory. */
  #limit(group: readonly ScanChunk[]): number {
    const { batchRowsMax } = this.#options;
    const [rows, bytes] = group.reduce(([all, sum], chunk) => [all + chunk.rows, sum + chunk.bytes], [0, 0]);
    const rowBytes = bytes > 0 && rows > 0 ? bytes / rows : this.#rowBytes;
    const most = group.length > 0 ? batchRowsMax : this.#chunkRows;
    const bearable = rowBytes === undefined ? firstPageRows : Math.floor(pageBytesMax / rowBytes);
    return Math.max(Math.min(most, bearable), rows + 1, 2);
  }

  #isUnchanged({ rows }: Page, chunk: ScanChunk): boolean {
    return !this.#options.tellsAll && rows.length === chunk.rows && digestOfAll(rows) === chunk.digest;
  }

  /** Takes what it finds out of `known`: what is left there in the end is there no longer. */
  async #differences({ rows }: Page, known: ChunkEntries): Promise<{ changes: SourceChange[]; told: KnownRow[] }> {
    const { voice, compares, tellsAll, nowMs } = this.#options;
    const [order, now] = [this.#order(), nowMs()];
    const identified = rows.map((filed): KnownRow => ({ ...filed, row: filed.row ?? identifyRow(voice.shape, filed.read) }));
    checkDistinct(voice, identified);
    const unread = compares === 'keys' && !tellsAll && identified.some(({ row }) => !known.has(row.key));
    const whole = unread ? await this.#wholeRows(rows) : undefined;
    const changes: SourceChange[] = [];
    const told: KnownRow[] = [];
    for (const each of identified) {
      const { row } = each;
      const before = known.get(row.key);
      known.delete(row.key);
      const isSame = before !== undefined && (compares === 'keys' || before === row.digest);
      const said = compares === 'rows' || tellsAll || isSame ? row : whole?.get(row.key);
      // Gone since its key was read: nobody has heard of it.
      if (said === undefined) continue;
      told.push(each);
      const operation: Operation = tellsAll ? 'snapshot' : before === undefined ? 'create' : 'update';
      if (tellsAll || !isSame) changes.push(changeOf(voice, said, operation, order, now));
    }
    return { changes, told };
  }

  /** Of a page whose keys alone were read. */
  async #wholeRows(rows: readonly FiledRow[]): Promise<ReadonlyMap<string, IdentifiedRow>> {
    const { reader, voice } = this.#options;
    const whole = new Map<string, IdentifiedRow>();
    const upTo = rows.at(-1)!.read.bound;
    for (let after = this.#place.after; ; ) {
      const read = await reader.rows(voice.shape, { after, upTo }, firstPageRows, 'all');
      for (const row of read.map((each) => identifyRow(voice.shape, each))) whole.set(row.key, row);
      if (read.length < firstPageRows) return whole;
      after = read.at(-1)!.bound;
    }
  }

  /** As many chunks as they need, between the place and what follows. */
  #parts(rows: readonly KnownRow[], behind: string | null): StreamNote[] {
    const notes: StreamNote[] = [];
    const size = Math.ceil(rows.length / Math.ceil(rows.length / this.#chunkRows));
    for (let first = 0; first < rows.length; first += size) {
      const part = rows.slice(first, first + size);
      const rank = rankBetween(notes.at(-1)?.name ?? this.#place.rank, behind);
      notes.push(this.#noteOf(part, rank, part.at(-1)!.read.bound));
    }
    return notes;
  }

  #noteOf(rows: readonly KnownRow[], rank: string, high: KeyBound): StreamNote {
    const entries: ChunkEntries = new Map(rows.map(({ row }) => [row.key, row.digest]));
    const bytes = bytesOf(rows.map(({ read }) => read));
    return noteOf({ rank, high, rows: rows.length, bytes, digest: digestOfAll(rows) }, entries);
  }

  #order(): string {
    return this.#options.orderOf(this.#pages);
  }

  #step(place: ScanPlace, changes: readonly SourceChange[], put: readonly StreamNote[], replaced: readonly string[]): ScanStep {
    this.#place = place;
    this.#pages++;
    const kept = new Set(put.map(({ name }) => name));
    return { place, changes, put, remove: replaced.filter((rank) => !kept.has(rank)) };
  }
}

function bytesOf(rows: readonly TableRow[]): number {
  return rows.reduce((sum, { text }) => sum + text.length, 0);
}

function digestOfAll(rows: readonly FiledRow[]): string {
  return digestOf(rows.map(({ token }) => token).join('\n'));
}

function checkDistinct({ shape }: TableVoice, identified: readonly { row: IdentifiedRow }[]): void {
  const keys = new Set<string>();
  for (const { row } of identified) {
    if (keys.has(row.key)) {
      throw new SyncError(
        'source.misconfigured',
        `the key (${shape.key.join(', ')}) does not tell the rows of ${shape.name} apart: ${row.key} stands in more than one`,
        { details: { table: shape.name } },
      );
    }
    keys.add(row.key);
  }
}
