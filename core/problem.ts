import { type ErrorCode, errorCatalogue, isSyncError, reasonOf } from './errors.ts';

/** One field at fault. `field` is a path such as `address.city` or `lines[2].sku`, empty for the whole. */
export interface FieldError {
  /** Which record of a batch. */
  readonly index?: number;
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

/** An answer of RFC 9457, `application/problem+json`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly fix: string;
  readonly errors?: readonly FieldError[];
  readonly correlationId?: string;
}

export const problemContentType = 'application/problem+json';

const statuses: Partial<Record<ErrorCode, number>> = {
  'request.invalid': 400,
  'request.malformed': 400,
  'request.malformed-address': 400,
  'request.too-large': 413,
  'record.too-large': 413,
  'request.unauthenticated': 401,
  'request.forbidden': 403,
  'request.not-found': 404,
  'request.unknown-name': 404,
  'request.conflict': 409,
  'conflict.closed': 409,
  'request.method-not-allowed': 405,
  'request.unsupported-media-type': 415,
  'request.idempotency-mismatch': 422,
  'request.rate-limited': 429,
  'request.timed-out': 503,
  'ingest.overloaded': 503,
  'service.not-ready': 503,
  'kafka.unavailable': 503,
  'postgres.unavailable': 503,
  'redis.unavailable': 503,
  'registry.unavailable': 503,
};

export function statusOf(code: ErrorCode): number {
  return statuses[code] ?? (code.startsWith('record.') ? 400 : 500);
}

/** Whatever was thrown, as an answer. What is no SyncError is a failure of ours: its text stays in our log. */
export function problemOf(error: unknown, correlationId?: string): Problem {
  const known = isSyncError(error) ? error : undefined;
  const errors = known?.details.errors as readonly FieldError[] | undefined;
  const code: ErrorCode | 'internal' = known?.code ?? 'internal';
  return {
    type: `urn:syncline:error:${code}`,
    title: known === undefined ? 'Syncline failed.' : errorCatalogue[known.code].summary,
    status: known === undefined ? 500 : statusOf(known.code),
    detail: known === undefined ? 'The failure is ours; the log of the api role says more.' : reasonOf(error),
    code,
    fix: known?.fix ?? 'Report it with the correlation id and the log.',
    ...(errors === undefined ? {} : { errors }),
    ...(correlationId === undefined ? {} : { correlationId }),
  };
}
