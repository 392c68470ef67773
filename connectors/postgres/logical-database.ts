import pg from 'pg';
import type { JsonObject } from '../../core/json.ts';
import { parseExact } from '../../core/json.ts';
import { rowSettings } from './postgres-table-reader.ts';
import { asSourceError } from './source-fault.ts';
import { quoted } from './table-shape.ts';

export interface LogicalDatabaseOptions {
  /** Straight to the server: a pooler neither replicates nor knows what a session exported. */
  readonly url: string;
  readonly connectionsMax: number;
  readonly timeoutMs: number;
  readonly applicationName: string;
}

/** Questions beside the replication connection: catalog, slots, single rows. */
export class LogicalDatabase {
  readonly options: LogicalDatabaseOptions;
  readonly #pool: pg.Pool;

  constructor(options: LogicalDatabaseOptions) {
    this.options = options;
    this.#pool = new pg.Pool({
      connectionString: options.url,
      max: options.connectionsMax,
      application_name: options.applicationName,
      connectionTimeoutMillis: Math.min(options.timeoutMs, 10_000),
      query_timeout: options.timeoutMs + 1_000,
      keepAlive: true,
    });
    // A connection that breaks is replaced at the next use; without listeners it would stop the process.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  /** One statement on its own: what is told of servers and slots, and what changes them. */
  async query<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    try {
      return (await this.#pool.query<Row>(text, [...values])).rows;
    } catch (error) {
      throw asSourceError(error, 'PostgreSQL');
    }
  }

  /** Reads at one moment, values told as the table reader tells them. */
  async reading<T>(place: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw asSourceError(error, 'PostgreSQL');
    }
    let broken: Error | undefined;
    try {
      await client.query(`BEGIN READ ONLY; ${rowSettings}; SET LOCAL statement_timeout = ${Math.ceil(this.options.timeoutMs)}`);
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((failed: Error) => {
        broken = failed;
      });
      throw asSourceError(error, place);
    } finally {
      client.release(broken);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
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
