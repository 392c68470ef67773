import { isSyncError, SyncError } from '../../core/errors.ts';
import { TargetRejected } from '../../core/ports/target-connector.ts';

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

/** As the port wants it told. */
export function asTargetError(error: unknown, place: string): Error {
  if (isSyncError(error) || error instanceof TargetRejected) return error;
  const message = error instanceof Error ? error.message || error.name : String(error);
  switch (targetFaultOf(error)) {
    case 'data': {
      const { column, constraint } = error as { column?: string; constraint?: string };
      return new TargetRejected(
        message,
        { sqlState: sqlStateOf(error), column: column ?? null, constraint: constraint ?? null },
        error,
      );
    }
    case 'permission':
      return new SyncError('target.misconfigured', `${place}: ${message}${adviceOf(error, place)}`, { cause: error });
    default:
      return new SyncError('target.unavailable', `${place}: ${message}`, { cause: error });
  }
}

function adviceOf(error: unknown, place: string): string {
  return sqlStateOf(error) === '42501' ? `; GRANT SELECT, INSERT, UPDATE, DELETE ON ${place} to the user of the target` : '';
}

function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
