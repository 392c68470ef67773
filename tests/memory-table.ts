import { SyncError } from '../core/errors.ts';
import type {
  KeyBound,
  KeyRange,
  TableReader,
  TableRow,
  TableSelection,
  TableShape,
  WatermarkBound,
} from '../core/ports/table-reader.ts';

/** A row: its value, and the watermark it was written with. */
interface Held {
  readonly value: number;
  readonly watermark: number;
}

/**
 * A table in memory, with a single column `id` as key, in an order nobody would guess: by the text turned around. Whoever
 * compares keys by himself is wrong here.
 */
export class MemoryTable implements TableReader {
  readonly rowsById = new Map<string, Held>();
  #clock = 0;
  columns = ['id text', 'value int'];
  questions = 0;

  put(id: string, value: number, watermark = ++this.#clock): void {
    this.#clock = Math.max(this.#clock, watermark);
    this.rowsById.set(id, { value, watermark });
  }

  remove(id: string): void {
    this.rowsById.delete(id);
  }

  async describe(selection: TableSelection): Promise<TableShape> {
    if (selection.table === 'nowhere') throw new SyncError('source.misconfigured', 'there is no such table');
    return {
      name: selection.table,
      key: ['id'],
      columns: this.columns.map((column) => ({ name: column.split(' ')[0]!, type: column.split(' ')[1]! })),
      watermark: selection.watermark,
      order: 'turned around',
    };
  }

  async rows(_shape: TableShape, { after, upTo }: KeyRange, limit: number, columns: 'all' | 'key'): Promise<readonly TableRow[]> {
    this.questions++;
    const low = after === null ? null : turned(after[0]!);
    const high = upTo === null ? null : turned(upTo[0]!);
    return [...this.rowsById]
      .filter(([id]) => (low === null || turned(id) > low) && (high === null || turned(id) <= high))
      .sort(([left], [right]) => (turned(left) < turned(right) ? -1 : 1))
      .slice(0, limit)
      .map(([id, held]) => rowOf(id, held, columns));
  }

  async rowsUnder(_shape: TableShape, keys: readonly KeyBound[]): Promise<readonly TableRow[]> {
    const wanted = new Set(keys.map(([id]) => id));
    return [...this.rowsById].filter(([id]) => wanted.has(id)).map(([id, held]) => rowOf(id, held, 'all'));
  }

  async rowsSince(_shape: TableShape, from: WatermarkBound | null, limit: number): Promise<readonly TableRow[]> {
    this.questions++;
    const isIncluded = (id: string, { watermark }: Held) => {
      if (from === null) return true;
      const bound = Number(from.watermark);
      return from.key === null
        ? watermark >= bound
        : watermark > bound || (watermark === bound && turned(id) > turned(from.key[0]!));
    };
    return [...this.rowsById]
      .filter(([id, held]) => isIncluded(id, held))
      .sort(([left, one], [right, two]) => one.watermark - two.watermark || (turned(left) < turned(right) ? -1 : 1))
      .slice(0, limit)
      .map(([id, held]) => rowOf(id, held, 'all'));
  }

  async highestWatermark(): Promise<string | null> {
    return this.rowsById.size === 0 ? null : String(Math.max(...[...this.rowsById.values()].map(({ watermark }) => watermark)));
  }

  async watermarkBefore(_shape: TableShape, watermark: string, overlapMs: number): Promise<string> {
    return String(Number(watermark) - overlapMs);
  }

  async close(): Promise<void> {}
}

function turned(id: string): string {
  return [...id].reverse().join('');
}

function rowOf(id: string, { value, watermark }: Held, columns: 'all' | 'key'): TableRow {
  const text = JSON.stringify(columns === 'key' ? { id } : { id, value });
  return { bound: [id], text, watermark: columns === 'key' ? null : String(watermark) };
}
