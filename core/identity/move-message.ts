import { canonicalRecordFrom } from '../codec/envelope.ts';
import { isCount, isData, isName, isPositionText, isUuid, messageFrom, need } from '../codec/message-field.ts';
import { isJsonObject, type JsonObject, type JsonValue, nestingMax, stringifyExact } from '../json.ts';
import { type Leave, type LeaveMessage, moveReasons, type Rejoin, type Relink } from './move.ts';

/**
 * The messages that move a record, always as JSON: nobody else reads or writes them. Those on raw topics begin with their
 * name, so that a dead letter of one, which is replayed without its header, is known again.
 */
export function encodeRelink(relink: Relink): string {
  return stringifyExact({ relink: relink as unknown as JsonObject });
}

export function encodeRejoin(rejoin: Rejoin): string {
  return stringifyExact({ rejoin: rejoin as unknown as JsonObject });
}

export function encodeLeave(message: LeaveMessage): string {
  return stringifyExact(message as unknown as JsonObject);
}

export type RawControl = 'relink' | 'rejoin';

/** Which control message these bytes are, by their beginning. */
export function rawControlIn(bytes: Buffer): RawControl | undefined {
  const begin = bytes.toString('latin1', 0, 10);
  return begin === '{"relink":' ? 'relink' : begin === '{"rejoin":' ? 'rejoin' : undefined;
}

export function decodeRelink(bytes: Buffer): Relink {
  const relink = parsed(bytes).relink;
  need(isJsonObject(relink), 'relink', 'an object');
  const { eventId, to, reason, by } = relink as JsonObject;
  need(isUuid(eventId), 'eventId', 'a UUID');
  need(isName(to), 'to', 'a name');
  needMove(reason, by);
  return relink as unknown as Relink;
}

export function decodeRejoin(bytes: Buffer): Rejoin {
  const rejoin = parsed(bytes).rejoin;
  need(isJsonObject(rejoin), 'rejoin', 'an object');
  const { from, movedAt, state } = rejoin as JsonObject;
  need(isName(from), 'from', 'a name');
  need(isCount(movedAt), 'movedAt', 'an offset');
  need(isData(state), 'state', 'an object or null');
  if (isJsonObject(state)) {
    const { eventId, operation, position, occurredAt, correlationId, checksum, data } = state;
    need(isUuid(eventId), 'eventId', 'a UUID');
    need(isName(operation), 'operation', 'an operation');
    need(isPositionText(position), 'position', 'a position');
    need(isName(occurredAt), 'occurredAt', 'a time');
    need(typeof correlationId === 'string', 'correlationId', 'a text');
    need(checksum === null || isName(checksum), 'checksum', 'a sha256 in hex');
    need(isData(data), 'data', 'an object or null');
  }
  return rejoin as unknown as Rejoin;
}

export function decodeLeave(bytes: Buffer): LeaveMessage {
  const { record, leave } = parsed(bytes);
  need(isJsonObject(leave), 'leave', 'an object');
  const { eventId, to, reason, by, tenure, hasChange } = leave as JsonObject;
  need(isUuid(eventId), 'eventId', 'a UUID');
  need(isName(to), 'to', 'a name');
  needMove(reason, by);
  need(Number.isSafeInteger(tenure), 'tenure', 'a whole number');
  need(typeof hasChange === 'boolean', 'hasChange', 'a boolean');
  return { record: canonicalRecordFrom(record ?? null), leave: leave as unknown as Leave };
}

function needMove(reason: JsonValue | undefined, by: JsonValue | undefined): void {
  need((moveReasons as readonly unknown[]).includes(reason), 'reason', `one of ${moveReasons.join(', ')}`);
  need(by === null || typeof by === 'string', 'by', 'a text or null');
}

/** Some carry a record within a record. */
function parsed(bytes: Buffer): JsonObject {
  return messageFrom(bytes, 'control message', nestingMax + 3);
}
