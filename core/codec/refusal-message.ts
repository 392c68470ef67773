import type { ChangeEvent } from '../change-event.ts';
import { rawHeaders } from '../change-event.ts';
import { type ErrorCode, errorCatalogue, SyncError } from '../errors.ts';
import type { LogRecord } from '../ports/event-log.ts';
import type { Position } from '../position.ts';

/**
 * A record its connector could not tell: too large, too deep, without key. It takes its place on the raw topic all the
 * same, because that is what is accounted for, and becomes a dead letter with the connector's own reason.
 */
export interface Refusal {
  /** Everything but the data. */
  readonly event: ChangeEvent;
  readonly error: SyncError;
}

interface RefusalMessage {
  readonly refused: Omit<ChangeEvent, 'data'>;
  readonly code: string;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** How the bytes of a refusal begin, and those of no other record. */
export const refusalBeginning = '{"refused":';

export function encodeRefusal({ event: { data: _, ...refused }, error }: Refusal): string {
  const message: RefusalMessage = { refused, code: error.code, reason: error.message, details: error.details };
  return JSON.stringify(message);
}

/** Undefined for every other record. */
export function refusalFrom(record: Pick<LogRecord, 'headers' | 'value'>): Refusal | undefined {
  if (record.headers[rawHeaders.refused] === undefined || record.value === null) return undefined;
  let message: Partial<RefusalMessage>;
  try {
    message = JSON.parse(record.value.toString('utf8')) as Partial<RefusalMessage>;
  } catch {
    return undefined;
  }
  const { refused, code, reason, details } = message;
  if (typeof refused?.position !== 'string' || typeof code !== 'string' || !(code in errorCatalogue)) return undefined;
  const error = new SyncError(code as ErrorCode, String(reason), { details: details ?? {} });
  return { event: { ...refused, position: refused.position as Position, data: null }, error };
}
