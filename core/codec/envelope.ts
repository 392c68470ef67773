import type { CanonicalRecord, ChangeEnvelope, ChangeEvent, GoldenRecord } from '../change-event.ts';
import { SyncError } from '../errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../json.ts';
import { isChecksum, isCount, isData, isInstant, isKey, isName, isPositionText, isUuid, need } from './message-field.ts';

/**
 * What came over the wire, checked field by field: after this a payload is what its type says. Written out by hand
 * because it runs for every record. Fields we do not know pass: a newer process may have written them.
 */
export function changeEventFrom(value: JsonValue): ChangeEvent {
  const envelope = envelopeOf(value);
  checkChange(envelope);
  return envelope as unknown as ChangeEvent;
}

export function canonicalRecordFrom(value: JsonValue): CanonicalRecord {
  const envelope = envelopeOf(value);
  checkChange(envelope);
  const { checksum, replayOf } = envelope;
  need(isName(envelope.sourceType), 'sourceType', 'a name');
  need(isName(envelope.entityId), 'entityId', 'a name');
  need(isCount(envelope.receivedAtMs), 'receivedAtMs', 'a time in milliseconds');
  need(checksum === null || isChecksum(checksum), 'checksum', 'a sha256 in hex');
  need((checksum === null) === (envelope.data === null), 'checksum', 'there exactly where data is');
  need(replayOf === undefined || isUuid(replayOf), 'replayOf', 'a UUID');
  checkOrigin(envelope.origin);
  return envelope as unknown as CanonicalRecord;
}

export function goldenRecordFrom(value: JsonValue): GoldenRecord {
  const envelope = envelopeOf(value);
  const { version, deleted } = envelope;
  need(isName(envelope.entityId), 'entityId', 'a name');
  need(isName(envelope.kind), 'kind', 'a name');
  need(isJsonObject(version), 'version', 'an object');
  need(isCount((version as JsonObject).epoch), 'version.epoch', 'a whole number');
  need(isCount((version as JsonObject).n), 'version.n', 'a whole number');
  need(typeof deleted === 'boolean', 'deleted', 'a boolean');
  need(isData(envelope.data), 'data', 'an object or null');
  need(deleted === true || envelope.data !== null, 'data', 'an object where nothing was deleted');
  need(isUuid(envelope.eventId), 'eventId', 'a UUID');
  need(isInstant(envelope.updatedAt), 'updatedAt', 'an RFC 3339 time in UTC');
  return envelope as unknown as GoldenRecord;
}

/** A change event without its data. */
export function changeEnvelopeFrom(value: JsonValue): ChangeEnvelope {
  const envelope = envelopeOf(value);
  checkEnvelope(envelope);
  return envelope as unknown as ChangeEnvelope;
}

function checkChange(envelope: JsonObject): void {
  checkEnvelope(envelope);
  const { data, operation } = envelope;
  need(isData(data), 'data', 'an object or null');
  need(data !== null || operation === 'delete', 'data', 'an object unless the operation is delete');
}

function checkEnvelope(envelope: JsonObject): void {
  const { operation } = envelope;
  need(isUuid(envelope.eventId), 'eventId', 'a UUID');
  need(isName(envelope.source), 'source', 'a name');
  need(isName(envelope.kind), 'kind', 'a name');
  need(isKey(envelope.key), 'key', 'a text');
  need(isOperation(operation), 'operation', 'one of snapshot, create, update, delete');
  need(isPositionText(envelope.position), 'position', 'a position');
  need(isInstant(envelope.occurredAt), 'occurredAt', 'an RFC 3339 time in UTC');
  need(isKey(envelope.correlationId), 'correlationId', 'a text');
}

function checkOrigin(origin: JsonValue | undefined): void {
  need(isJsonObject(origin), 'origin', 'an object');
  const { topic, partition, offset } = origin as JsonObject;
  need(isName(topic), 'origin.topic', 'a name');
  need(isCount(partition), 'origin.partition', 'a whole number');
  need(isCount(offset), 'origin.offset', 'a whole number');
}

function envelopeOf(value: JsonValue): JsonObject {
  if (isJsonObject(value)) return value;
  throw new SyncError('record.malformed', 'the record is not a JSON object');
}

function isOperation(value: JsonValue | undefined): boolean {
  return value === 'update' || value === 'create' || value === 'snapshot' || value === 'delete';
}
