import { isSyncError, reasonOf, SyncError } from '../../core/errors.ts';
import { TargetRejected } from '../../core/ports/target-connector.ts';

/** No answer in time; the connection is given up, since one that is dead never answers. */
export class FirebirdTimeout extends Error {}

/**
 * repeat      another transaction was in the way: the same again
 * data        a value or a constraint is at fault, whatever the weather
 * permission  the user may not, or what is named does not exist
 * world       everything else: it may go better later
 */
export type FirebirdFault = 'repeat' | 'data' | 'permission' | 'world';

/** The codes stand in `iberror.h`; the driver tells the first of an error, its message all of them. */
const repeatCodes: ReadonlySet<number> = new Set([335544336, 335544345, 335544451, 335544510]);
const dataCodes: ReadonlySet<number> = new Set([
  335544321, 335544334, 335544347, 335544349, 335544357, 335544466, 335544517, 335544558, 335544565, 335544665, 335544838,
  335544839, 335544849, 335544879, 335544914, 335544916, 335544571, 335544606,
]);
const permissionCodes: ReadonlySet<number> = new Set([335544352, 335544361, 335544472, 335544375, 335544765, 335544788]);

const permissionText =
  /no permission for|table unknown|column unknown|user name and password are not defined|read-only (database|transaction)|no such file|procedure unknown|generator .* is not defined/i;
const dataText =
  /violation of|exception \d|conversion error|string right truncation|numeric value is out of range|transliterate|malformed string/i;
const repeatText = /deadlock|lock conflict|update conflicts|lock time-out/i;

export function faultOf(error: unknown): FirebirdFault {
  if (!(error instanceof Error)) return 'world';
  const code = (error as { gdscode?: number }).gdscode;
  if (code === undefined) return 'world';
  if (repeatCodes.has(code) || repeatText.test(error.message)) return 'repeat';
  if (permissionCodes.has(code) || permissionText.test(error.message)) return 'permission';
  if (dataCodes.has(code) || dataText.test(error.message)) return 'data';
  return 'world';
}

/** As the source port wants it told. `advice` says what to do where a permission is missing. */
export function asSourceError(error: unknown, place: string, advice = ''): Error {
  if (isSyncError(error)) return error;
  const code = faultOf(error) === 'permission' ? 'source.misconfigured' : 'source.unavailable';
  const hint = code === 'source.misconfigured' && /no permission/i.test(reasonOf(error)) ? advice : '';
  return new SyncError(code, `${place}: ${reasonOf(error)}${hint}`, { cause: error });
}

export function asTargetError(error: unknown, place: string, advice = ''): Error {
  if (isSyncError(error) || error instanceof TargetRejected) return error;
  switch (faultOf(error)) {
    case 'data':
      return new TargetRejected(reasonOf(error), { code: (error as { gdscode?: number }).gdscode ?? null }, error);
    case 'permission': {
      const hint = /no permission/i.test(reasonOf(error)) ? advice : '';
      return new SyncError('target.misconfigured', `${place}: ${reasonOf(error)}${hint}`, { cause: error });
    }
    default:
      return new SyncError('target.unavailable', `${place}: ${reasonOf(error)}`, { cause: error });
  }
}
