import type pg from 'pg';
import { SyncError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, parseExact } from '../../core/json.ts';
import type { Page, PageRequest } from '../../core/ports/read-store.ts';
import { faultOf, sqlStateOf, unavailable } from './pool.ts';

/** A question of the API may cost this much and no more. */
const readTimeoutMs = 5_000;
const queryCanceled = '57014';

/** Builds `WHERE …` from what was asked, every value a parameter. */
export class Conditions {
  readonly values: unknown[] = [];
  readonly #terms: string[] = [];

  /** `?` in the term stands for the value; a value that is undefined leaves the term out. */
  add(term: string, value: unknown): this {
    if (value === undefined) return this;
    this.#terms.push(term.replace('?', this.bind(value)));
    return this;
  }

  /** `term` with one `?` per value of the row before the page. */
  after(term: string, page: PageRequest): this {
    if (page.after === null) return this;
    const places = page.after.map((value) => this.bind(value));
    let at = 0;
    this.#terms.push(term.replaceAll('?', () => places[at++] ?? 'NULL'));
    return this;
  }

  bind(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  get where(): string {
    return this.#terms.length === 0 ? '' : `WHERE ${this.#terms.join(' AND ')}`;
  }
}

/** Asks for one row more than the page holds: it says whether there is a next page. */
export async function pageOf<R extends pg.QueryResultRow, Row>(
  pool: pg.Pool,
  text: (limit: string) => string,
  conditions: Conditions,
  page: PageRequest,
  rowOf: (row: R) => Row,
  keyOf: (row: R) => readonly string[],
): Promise<Page<Row>> {
  const limit = conditions.bind(page.limit + 1);
  const found = await reading(pool, 'READ COMMITTED', (client) => client.query<R>(text(limit), conditions.values));
  const rows = found.rows.slice(0, page.limit);
  const last = rows.at(-1);
  return { rows: rows.map(rowOf), next: found.rows.length > page.limit && last !== undefined ? keyOf(last) : null };
}

/** Bounded in time by the server, also behind a pooler that hands a connection to others between transactions. */
export async function reading<T>(
  pool: pg.Pool,
  isolation: 'READ COMMITTED' | 'REPEATABLE READ',
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw unavailable(error);
  });
  try {
    await client.query(`BEGIN ISOLATION LEVEL ${isolation} READ ONLY; SET LOCAL statement_timeout = ${readTimeoutMs}`);
    const result = await work(client);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    // A connection whose state is unknown is not given back.
    const rolledBack = await client.query('ROLLBACK').then(
      () => true,
      () => false,
    );
    client.release(!rolledBack);
    throw readError(error);
  }
}

export function readError(error: unknown): SyncError {
  if (error instanceof SyncError) return error;
  if (sqlStateOf(error) === queryCanceled) {
    return new SyncError('request.timed-out', `the answer took longer than ${readTimeoutMs} ms to find`, { cause: error });
  }
  if (faultOf(error) === 'data')
    return new SyncError('request.invalid', `PostgreSQL does not take a value: ${String(error)}`, { cause: error });
  return unavailable(error);
}

/** A column as text in UTC with every microsecond, so that a page key loses none. */
export function instantColumn(column: string, name: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ${name}`;
}

/** JSONB comes as text and is parsed by us: the driver's own parser loses digits. */
export function jsonObjectOf(text: string | null): JsonObject | null {
  const value = text === null ? null : parseExact(text);
  return isJsonObject(value ?? undefined) ? (value as JsonObject) : null;
}
