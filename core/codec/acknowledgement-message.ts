import type { Acknowledgement } from '../conflict/acknowledgement.ts';
import { reasonOf, SyncError } from '../errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseExact, stringifyExact } from '../json.ts';
import { isPosition } from '../position.ts';

/** What the target side says on a canonical topic about a write-back. Always JSON: nobody else reads or writes it. */
export interface AcknowledgementMessage {
  /** The write-back's row in the echo ledger: its word counts once. */
  readonly ledgerId: string;
  readonly acknowledgement: Acknowledgement;
}

export function encodeAcknowledgement(message: AcknowledgementMessage): string {
  return stringifyExact(message as unknown as JsonObject);
}

export function decodeAcknowledgement(bytes: Buffer): AcknowledgementMessage {
  const message = parsed(bytes);
  const { ledgerId, acknowledgement } = message;
  need(isUuid(ledgerId), 'ledgerId', 'a UUID');
  need(isJsonObject(acknowledgement), 'acknowledgement', 'an object');
  const { entityId, sourceType, kind, eventId, knowledge, through, replaced, returned, checksum, position } =
    acknowledgement as JsonObject;
  for (const [field, name] of Object.entries({ entityId, sourceType, kind })) need(isName(name), field, 'a name');
  need(isUuid(eventId), 'eventId', 'a UUID');
  need(isJsonObject(knowledge) && Object.values(knowledge).every(isCount), 'knowledge', 'counts by source');
  need(isCount(through), 'through', 'a whole number');
  need(replaced === null || isJsonObject(replaced), 'replaced', 'an object or null');
  need(returned === null || isJsonObject(returned), 'returned', 'an object or null');
  need(checksum === null || (typeof checksum === 'string' && /^[0-9a-f]{64}$/.test(checksum)), 'checksum', 'a sha256 in hex');
  need(position === null || (typeof position === 'string' && isPosition(position)), 'position', 'a position');
  return message as unknown as AcknowledgementMessage;
}

function parsed(bytes: Buffer): JsonObject {
  try {
    const value = parseExact(bytes.toString('utf8'));
    if (isJsonObject(value)) return value;
  } catch (error) {
    throw new SyncError('record.malformed', `the acknowledgement is not JSON: ${reasonOf(error)}`, { cause: error });
  }
  throw new SyncError('record.malformed', 'the acknowledgement is not a JSON object');
}

function need(holds: boolean, field: string, expected: string): void {
  if (!holds) throw new SyncError('record.malformed', `${field} is not ${expected}`, { details: { field, expected } });
}

function isName(value: JsonValue | undefined): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= 255;
}

function isUuid(value: JsonValue | undefined): boolean {
  return typeof value === 'string' && /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(value);
}

function isCount(value: JsonValue | undefined): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
