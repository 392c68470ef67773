import { isSyncError, reasonOf, SyncError } from '../../core/errors.ts';
import { NotConnected } from './postgres-pool.ts';
import { grantAdvice, sqlStateOf } from './sql-state.ts';

/** Classes that waiting does not heal: wrong password, no such database, and whatever is wrong with names, types and rights. */
const misconfiguredClasses: ReadonlySet<string> = new Set(['28', '3D', '42', '22', '0A', '25']);

/** What TLS says when it does not know whose server it is. */
const certificateCode = /^(ERR_TLS_CERT|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(VERIFY|GET_ISSUER))/;

/** As the port wants it told. `table`: the one that was asked; null where the question was about the server. */
export function asSourceError(error: unknown, table: string | null): SyncError {
  if (isSyncError(error)) return error;
  if (error instanceof NotConnected) return asSourceError(error.cause, null);
  const place = table ?? 'PostgreSQL';
  const message = reasonOf(error);
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string' && certificateCode.test(code)) {
    const advice = 'name the file with the certificates to trust as `ca`, or as `sslrootcert` in the address';
    return new SyncError(
      'source.misconfigured',
      `${place}: the certificate of the server is not trusted: ${message}; ${advice}`,
      { cause: error },
    );
  }
  const state = sqlStateOf(error);
  const misconfigured = state !== undefined && misconfiguredClasses.has(state.slice(0, 2));
  const advice = grantAdvice(error, table, 'SELECT', 'the user of the source');
  return new SyncError(misconfigured ? 'source.misconfigured' : 'source.unavailable', `${place}: ${message}${advice}`, {
    cause: error,
    details: { sqlState: state ?? null },
  });
}
