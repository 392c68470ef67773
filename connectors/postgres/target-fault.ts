import { isSyncError, reasonOf, SyncError } from '../../core/errors.ts';
import { TargetRejected } from '../../core/ports/target-connector.ts';
import { NotConnected } from './postgres-pool.ts';
import { grantAdvice, sqlStateOf } from './sql-state.ts';

/** The row appeared or was locked by others in between: the same again finds it. */
const repeatCodes: ReadonlySet<string> = new Set(['40001', '40P01']);
/** Classes that say the data are at fault, whatever the weather; P0001 is what a trigger raises. */
const dataClasses: ReadonlySet<string> = new Set(['22', '23', '44', '54']);
const permissionCodes: ReadonlySet<string> = new Set(['25006', '28000', '28P01', '3D000', '42501', '42703', '42P01']);

export type TargetFault = 'repeat' | 'data' | 'permission' | 'world';

export function targetFaultOf(error: unknown): TargetFault {
  const code = sqlStateOf(error);
  if (code === undefined) return 'world';
  if (repeatCodes.has(code)) return 'repeat';
  if (dataClasses.has(code.slice(0, 2)) || code === 'P0001') return 'data';
  return permissionCodes.has(code) ? 'permission' : 'world';
}

/** As the port wants it told. `table`: the one that was asked; null where the question was about the server. */
export function asTargetError(error: unknown, table: string | null): Error {
  if (isSyncError(error) || error instanceof TargetRejected) return error;
  if (error instanceof NotConnected) return asTargetError(error.cause, null);
  const message = reasonOf(error);
  const told = `${table ?? 'PostgreSQL'}: ${message}`;
  switch (targetFaultOf(error)) {
    case 'data': {
      const { column, constraint } = error as { column?: string; constraint?: string };
      return new TargetRejected(
        message,
        { sqlState: sqlStateOf(error), column: column ?? null, constraint: constraint ?? null },
        error,
      );
    }
    case 'permission': {
      const advice = grantAdvice(error, table, 'SELECT, INSERT, UPDATE, DELETE', 'the user of the target');
      return new SyncError('target.misconfigured', told + advice, { cause: error });
    }
    default:
      return new SyncError('target.unavailable', told, { cause: error });
  }
}
