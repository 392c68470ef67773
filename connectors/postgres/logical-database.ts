import type pg from 'pg';
import type { JsonObject } from '../../core/json.ts';
import { parseExact } from '../../core/json.ts';
import { type PostgresPlace, PostgresPool } from './postgres-pool.ts';
import { rowSettings } from './postgres-table-reader.ts';
import { asSourceError } from './source-fault.ts';
import { quoted } from './table-shape.ts';

/** Questions beside the replication connection: catalog, slots, single rows. */
export class LogicalDatabase {
  /** Straight to the server: a pooler neither replicates nor knows what a session exported. */
  readonly place: PostgresPlace;
  readonly #pool: PostgresPool;

  constructor(place: PostgresPlace) {
    this.place = place;
    this.#pool = new PostgresPool(place);
  }

  /** One statement on its own: what is told of servers and slots, and what changes them. */
  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    try {
      return await this.#pool.query<Row>(text, values);
    } catch (error) {
      throw asSourceError(error, null);
    }
  }

  /** Reads at one moment, values told as the table reader tells them. */
  async reading<T>(table: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    try {
      return await this.#pool.transact(`BEGIN READ ONLY; ${rowSettings}`, work);
    } catch (error) {
      throw asSourceError(error, table);
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }
}

/** What is asked of rows that are known by their key. */
export interface KeyedTable {
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** The rows that stand under these keys at present, in no order; `key` reads the columns of the key alone. */
export async function rowsUnder(
  database: LogicalDatabase,
  table: KeyedTable,
  keys: readonly JsonObject[],
  columns: 'all' | 'key',
): Promise<JsonObject[]> {
  if (keys.length === 0) return [];
  const typeOf = new Map(table.columns.map(({ name, type }) => [name, type]));
  const read = columns === 'all' ? table.columns.map(({ name }) => name) : table.key;
  const given = table.key.map((_column, at) => `$${at + 1}::text[]`).join(', ');
  const aliases = table.key.map((_column, at) => `k${at}`);
  const bounds = table.key.map((column, at) => `${aliases[at]}::${typeOf.get(column)}`).join(', ');
  const values = table.key.map((column) => keys.map((key) => String(key[column])));
  const text = `SELECT row_to_json(r)::text AS row FROM (SELECT ${read.map(quoted).join(', ')} FROM ${table.name}
    WHERE (${table.key.map(quoted).join(', ')}) IN (SELECT ${bounds} FROM unnest(${given}) AS given(${aliases.join(', ')}))) AS r`;
  const { rows } = await database.reading(table.name, (client) => client.query<{ row: string }>(text, values));
  return rows.map(({ row }) => parseExact(row) as JsonObject);
}
