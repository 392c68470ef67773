import { SyncError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { keyColumnsOf } from '../../core/key-text.ts';
import type { SystemRange, SystemReader, SystemRow } from '../../core/ports/system-reader.ts';
import type { KeyBound, TableReader, TableRow, TableSelection, TableShape } from '../../core/ports/table-reader.ts';
import { identifyRow } from './row-identity.ts';

/** The table of one kind, and who reads it. */
export interface ReadTable {
  readonly reader: TableReader;
  readonly selection: TableSelection;
}

const firstPageRows = 100;
const pageBytesMax = 8_000_000;

/** What the tables of a source hold at present, told as its streams tell it. */
export class TableSystem implements SystemReader {
  readonly #tables: ReadonlyMap<string, ReadTable>;
  readonly #shapes = new Map<string, TableShape>();
  readonly #rowBytes = new Map<string, number>();

  constructor(tables: ReadonlyMap<string, ReadTable>) {
    this.#tables = tables;
  }

  with(other: TableSystem): TableSystem {
    return new TableSystem(new Map([...this.#tables, ...other.#tables]));
  }

  /** Tables are looked at when they are asked for, so that one that is missing is missed by nobody else. */
  async open(): Promise<void> {
    this.#shapes.clear();
  }

  async readRange(kind: string, after: JsonObject | null, limit: number): Promise<SystemRange> {
    const [{ reader }, shape] = await this.#table(kind);
    const most = Math.min(limit, this.#bearableRows(kind));
    const bound = after === null ? null : boundFrom(after, shape);
    const rows = await reader.rows(shape, { after: bound, upTo: null }, most, 'all');
    const last = rows.at(-1);
    if (last !== undefined) this.#rowBytes.set(kind, rows.reduce((sum, { text }) => sum + text.length, 0) / rows.length);
    return {
      rows: rows.flatMap((row) => told(shape, row)),
      next: last === undefined || rows.length < most ? null : { after: [...last.bound] },
    };
  }

  /** A row under a key that only the database holds for the same is told under its own key, so here it is another one. */
  async readKeys(kind: string, keys: readonly string[]): Promise<readonly SystemRow[]> {
    const [{ reader }, shape] = await this.#table(kind);
    const asked = new Set(keys);
    const bounds = keys.flatMap((key): KeyBound[] => {
      const columns = keyColumnsOf(shape.key, key);
      return columns === undefined ? [] : [shape.key.map((column) => String(columns[column]))];
    });
    const rows: SystemRow[] = [];
    const most = this.#bearableRows(kind);
    for (let from = 0; from < bounds.length; from += most) {
      const found = await reader.rowsUnder(shape, bounds.slice(from, from + most));
      rows.push(...found.flatMap((row) => told(shape, row)).filter(({ key }) => asked.has(key)));
    }
    return rows;
  }

  async #table(kind: string): Promise<[ReadTable, TableShape]> {
    const table = this.#tables.get(kind);
    if (table === undefined) throw new Error(`${kind} is none of this source's tables`);
    const shape = this.#shapes.get(kind) ?? (await table.reader.describe(table.selection));
    this.#shapes.set(kind, shape);
    return [table, shape];
  }

  /** So few at once that large rows do not fill the memory. */
  #bearableRows(kind: string): number {
    const rowBytes = this.#rowBytes.get(kind);
    return rowBytes === undefined ? firstPageRows : Math.max(1, Math.floor(pageBytesMax / rowBytes));
  }
}

function boundFrom({ after }: JsonObject, { name, key }: TableShape): KeyBound {
  if (Array.isArray(after) && after.length === key.length) return after.map(String);
  throw new SyncError('source.misconfigured', `the key of ${name} has changed since it was read from the beginning`);
}

/** Rows without a key are left out. */
function told(shape: TableShape, row: TableRow): SystemRow[] {
  const { key, data, fault } = identifyRow(shape, row);
  if (fault === undefined && data !== null) return [{ key, row: data }];
  return fault === undefined || fault.code === 'identity.key-missing' ? [] : [{ key, row: {}, fault }];
}
