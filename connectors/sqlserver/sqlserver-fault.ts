import { isSyncError, reasonOf, SyncError } from '../../core/errors.ts';

/** What a GRANT would name. */
export interface Concerned {
  /** Quoted, with its schema; the database where no table is concerned. */
  readonly table: string;
  readonly database: string;
  readonly user: string;
}

/** Unknown user or password in its forms; a login that is disabled, locked, or has to be renewed; a firewall. */
const loginNumbers: ReadonlySet<number> = new Set([18_401, 18_452, 18_456, 18_470, 18_486, 18_487, 18_488, 40_615]);
/** The login has no user in the database, or there is no such database. */
const doorNumbers: ReadonlySet<number> = new Set([911, 916, 4_060]);
const deniedNumbers: ReadonlySet<number> = new Set([229, 230]);
/** Other rights, and names that do not exist. */
const missingNumbers: ReadonlySet<number> = new Set([207, 208, 262, 297, 300, 4_104, 4_413]);

/** As the source port wants it told. */
export function asSourceError(error: unknown, { table, database, user }: Concerned): SyncError {
  if (isSyncError(error)) return error;
  const number = numberOf(error);
  const told = (advice: string, code: 'source.misconfigured' | 'source.unavailable' = 'source.misconfigured') =>
    new SyncError(code, `${table}: ${reasonOf(error)}${advice}`, { cause: error, details: { number: number ?? null } });
  if (number === undefined) return told(certificateAdvice(error), 'source.unavailable');
  if (deniedNumbers.has(number)) return told(`; GRANT SELECT ON ${table} TO [${user}]`);
  if (doorNumbers.has(number))
    return told(`; in the database [${database}]: CREATE USER [${user}] FOR LOGIN [${user}]; GRANT CONNECT TO [${user}]`);
  if (loginNumbers.has(number)) return told('; the user and the password of `url` must be those of a login of this server');
  if (number === 208) return told(`; it does not exist, or GRANT SELECT ON ${table} TO [${user}] is missing`);
  return told('', missingNumbers.has(number) ? 'source.misconfigured' : 'source.unavailable');
}

/** A server without a certificate of its own makes one that nobody has signed. */
function certificateAdvice(error: unknown): string {
  return /certificate|self.signed/i.test(reasonOf(error))
    ? '; give the server a certificate that is trusted here, or say `trustServerCertificate: true`'
    : '';
}

/** The server's own number; what the client fails at by itself has none. */
export function numberOf(error: unknown): number | undefined {
  const number = (error as { number?: unknown } | null)?.number;
  return typeof number === 'number' && number > 0 ? number : undefined;
}
