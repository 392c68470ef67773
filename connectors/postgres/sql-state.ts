import { isSyncError } from '../../core/errors.ts';
import { quoted } from './table-shape.ts';

/** The five characters the server names its errors by; of an error that was told already, what it was told from. */
export function sqlStateOf(error: unknown): string | undefined {
  const state = isSyncError(error) ? error.details?.sqlState : (error as { code?: unknown } | null)?.code;
  return typeof state === 'string' && /^[0-9A-Z]{5}$/.test(state) ? state : undefined;
}

/** What to grant where the server says 42501; empty where it does not say what is missing, and no table was asked. */
export function grantAdvice(error: unknown, table: string | null, privileges: string, user: string): string {
  if (sqlStateOf(error) !== '42501') return '';
  const message = error instanceof Error ? error.message : '';
  // Nobody who may not connect is told which table he may not read.
  const database = /^permission denied for database "(.+)"$/.exec(message)?.[1];
  if (database !== undefined) return `; GRANT CONNECT ON DATABASE ${quoted(database)} TO ${user}`;
  const schema = /^permission denied for schema (.+)$/.exec(message)?.[1];
  if (schema !== undefined) return `; GRANT USAGE ON SCHEMA ${quoted(schema)} TO ${user}`;
  return table === null ? '' : `; GRANT ${privileges} ON ${table} TO ${user}`;
}
