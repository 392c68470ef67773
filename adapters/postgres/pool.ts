import pg from 'pg';
import { SyncError } from '../../core/errors.ts';

export interface PoolOptions {
  readonly url: string;
  readonly connectionsMax: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
}

const int8Oid = 20;
const connectTimeoutMs = 5_000;
const statementTimeoutMs = 60_000;
/** A process that froze, or a machine that is gone, inside a transaction holds its rows no longer than this. */
const idleInTransactionTimeoutMs = 10_000;

/** A pool whose 64-bit integers are numbers: ours are offsets, versions and counts, all below 2^53. */
export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.connectionsMax,
    application_name: options.applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
    keepAlive: true,
    types: { getTypeParser: (oid, format) => (oid === int8Oid ? Number : pg.types.getTypeParser(oid, format)) as never },
  });
  // A connection that breaks is replaced at the next use, and the query on it rejects by itself; without listeners,
  // on the pool for idle ones and on the clients for those in use, it would stop the process.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** SQLSTATE classes that say the data itself is at fault, whatever the weather. */
const dataFaultClasses = new Set(['22', '23', '54']);
const repeatCodes = new Set(['40001', '40P01']);

export type PostgresFault = 'repeat' | 'data' | 'world';

export function faultOf(error: unknown): PostgresFault {
  const code = sqlStateOf(error);
  if (code === undefined) return 'world';
  if (repeatCodes.has(code)) return 'repeat';
  return dataFaultClasses.has(code.slice(0, 2)) ? 'data' : 'world';
}

export function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

export function unavailable(error: unknown): SyncError {
  const message = error instanceof Error ? error.message || error.name : String(error);
  return new SyncError('postgres.unavailable', `PostgreSQL: ${message}`, { cause: error });
}
