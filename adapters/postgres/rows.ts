import type pg from 'pg';
import type { SyncError } from '../../core/errors.ts';

export type Rows = <R extends pg.QueryResultRow>(text: string, values: readonly unknown[]) => Promise<R[]>;
/** A statement with a name is prepared once a connection. */
export type NamedRows = <R extends pg.QueryResultRow>(name: string, text: string, values: readonly unknown[]) => Promise<R[]>;

/** What a statement brings; what fails is told in the words of `errorOf`. */
export function rowsFrom(pool: pg.Pool, errorOf: (error: unknown) => SyncError): Rows {
  return (text, values) => run(pool, { text, values: [...values] }, errorOf);
}

export function namedRowsFrom(pool: pg.Pool, errorOf: (error: unknown) => SyncError): NamedRows {
  return (name, text, values) => run(pool, { name, text, values: [...values] }, errorOf);
}

async function run<R extends pg.QueryResultRow>(
  pool: pg.Pool,
  query: pg.QueryConfig,
  errorOf: (error: unknown) => SyncError,
): Promise<R[]> {
  try {
    return (await pool.query<R>(query)).rows;
  } catch (error) {
    throw errorOf(error);
  }
}
