import type { Acknowledgement } from '../conflict/acknowledgement.ts';
import { isJsonObject, type JsonObject, stringifyExact } from '../json.ts';
import { isChecksum, isCount, isData, isName, isPositionText, isUuid, messageFrom, need } from './message-field.ts';

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
  const message = messageFrom(bytes, 'acknowledgement');
  const { ledgerId, acknowledgement } = message;
  need(isUuid(ledgerId), 'ledgerId', 'a UUID');
  need(isJsonObject(acknowledgement), 'acknowledgement', 'an object');
  const { entityId, sourceType, kind, eventId, knowledge, through, replaced, returned, checksum, position } =
    acknowledgement as JsonObject;
  for (const [field, name] of Object.entries({ entityId, sourceType, kind })) need(isName(name), field, 'a name');
  need(isUuid(eventId), 'eventId', 'a UUID');
  need(isJsonObject(knowledge) && Object.values(knowledge).every(isCount), 'knowledge', 'counts by source');
  need(isCount(through), 'through', 'a whole number');
  need(isData(replaced), 'replaced', 'an object or null');
  need(isData(returned), 'returned', 'an object or null');
  need(checksum === null || isChecksum(checksum), 'checksum', 'a sha256 in hex');
  need(position === null || isPositionText(position), 'position', 'a position');
  return message as unknown as AcknowledgementMessage;
}
