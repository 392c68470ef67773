import { isSyncError, SyncError } from '../../core/errors.ts';

/** Classes that waiting does not heal: wrong password, no such database, and whatever is wrong with names, types and rights. */
const misconfiguredClasses: ReadonlySet<string> = new Set(['28', '3D', '42', '22', '0A', '25']);

/** What TLS says when it does not know whose server it is. */
const certificateCode = /^(ERR_TLS_CERT|CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_(VERIFY|GET_ISSUER))/;

/** As the port wants it told. */
export function asSourceError(error: unknown, place: string): SyncError {
  if (isSyncError(error)) return error;
  const message = error instanceof Error ? error.message || error.name : String(error);
  const code = (error as { code?: unknown } | null)?.code;
  const state = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
  if (typeof code === 'string' && certificateCode.test(code)) {
    const advice = 'name the file with the certificates to trust as `ca`, or as `sslrootcert` in the address';
    return new SyncError(
      'source.misconfigured',
      `${place}: the certificate of the server is not trusted: ${message}; ${advice}`,
      { cause: error },
    );
  }
  const misconfigured = state !== undefined && misconfiguredClasses.has(state.slice(0, 2));
  const advice = state === '42501' ? `; GRANT SELECT ON ${place} to the user of the source` : '';
  return new SyncError(misconfigured ? 'source.misconfigured' : 'source.unavailable', `${place}: ${message}${advice}`, {
    cause: error,
    details: { sqlState: state ?? null },
  });
}
