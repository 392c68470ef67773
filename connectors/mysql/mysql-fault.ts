import { isSyncError, reasonOf, SyncError } from '../../core/errors.ts';
import { TargetRejected } from '../../core/ports/target-connector.ts';

/** No answer in time; the connection is given up, since one that is dead never answers. */
export class MysqlTimeout extends Error {}

/**
 * repeat      another transaction was in the way: the same again
 * data        a value or a constraint is at fault, whatever the weather
 * permission  the user may not, or what is named does not exist
 * world       everything else: it may go better later
 */
export type MysqlFault = 'repeat' | 'data' | 'permission' | 'world';

/** Deadlock; the row has changed since it was read. */
const repeatNumbers: ReadonlySet<number> = new Set([1213, 1020]);
/** Access denied in its forms, and names that do not exist; a server or user that may only read; an unknown password plugin. */
const permissionNumbers: ReadonlySet<number> = new Set([
  1044, 1045, 1049, 1054, 1142, 1143, 1146, 1227, 1251, 1290, 1356, 1370, 1698, 1792, 1820, 1836, 1840, 1907, 3118, 4031, 4151,
]);
/** No null, no default, wrong or too long values, constraints of every kind, what triggers raise. */
const dataNumbers: ReadonlySet<number> = new Set([
  1048, 1062, 1136, 1169, 1216, 1217, 1264, 1265, 1292, 1364, 1366, 1367, 1406, 1416, 1441, 1451, 1452, 1526, 1644, 1690, 1748,
  3140, 3156, 3819, 4025, 4078,
]);
const dataClasses: ReadonlySet<string> = new Set(['22', '23', '45']);
const deniedNumbers: ReadonlySet<number> = new Set([1044, 1142, 1143, 1227, 1370]);

export function faultOf(error: unknown): MysqlFault {
  const number = numberOf(error);
  if (number === undefined) return 'world';
  if (repeatNumbers.has(number)) return 'repeat';
  if (permissionNumbers.has(number)) return 'permission';
  if (dataNumbers.has(number) || dataClasses.has(sqlStateOf(error).slice(0, 2))) return 'data';
  return 'world';
}

/** Which unique index was in the way, without its table; undefined for every other error. */
export function duplicateIndexOf(error: unknown): string | undefined {
  if (numberOf(error) !== 1062) return undefined;
  const named = /for key '(?:[^']*\.)?([^'.]+)'$/.exec((error as Error).message);
  return named?.[1];
}

/** As the source port wants it told. `place` is what a GRANT would name. */
export function asSourceError(error: unknown, place: string): SyncError {
  if (isSyncError(error)) return error;
  const advice = deniedNumbers.has(numberOf(error) ?? 0) ? `; GRANT SELECT ON ${place} TO the user of the source` : '';
  const code = faultOf(error) === 'permission' ? 'source.misconfigured' : 'source.unavailable';
  return new SyncError(code, `${place}: ${reasonOf(error)}${advice}`, { cause: error, details: detailsOf(error) });
}

export function asTargetError(error: unknown, place: string): Error {
  if (isSyncError(error) || error instanceof TargetRejected) return error;
  switch (faultOf(error)) {
    case 'data':
      return new TargetRejected(reasonOf(error), { ...detailsOf(error), index: duplicateIndexOf(error) ?? null }, error);
    case 'permission': {
      const denied = deniedNumbers.has(numberOf(error) ?? 0);
      const advice = denied ? `; GRANT SELECT, INSERT, UPDATE, DELETE ON ${place} TO the user of the target` : '';
      return new SyncError('target.misconfigured', `${place}: ${reasonOf(error)}${advice}`, { cause: error });
    }
    default:
      return new SyncError('target.unavailable', `${place}: ${reasonOf(error)}`, { cause: error });
  }
}

function detailsOf(error: unknown): Record<string, unknown> {
  return { number: numberOf(error) ?? null, sqlState: sqlStateOf(error) };
}

/** The driver's own failures have none: a lost connection, a refused one. */
export function numberOf(error: unknown): number | undefined {
  const number = (error as { errno?: unknown } | null)?.errno;
  return typeof number === 'number' && number > 0 ? number : undefined;
}

function sqlStateOf(error: unknown): string {
  const state = (error as { sqlState?: unknown } | null)?.sqlState;
  return typeof state === 'string' ? state : '';
}
