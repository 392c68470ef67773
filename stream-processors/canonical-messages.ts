import { type CanonicalRecord, canonicalControls, canonicalHeaders, type EntityId, rawHeaders } from '../core/change-event.ts';
import type { EntityPlan } from '../core/entity-plan.ts';
import { SyncError } from '../core/errors.ts';
import { leaveIdOf } from '../core/event-id.ts';
import type { Leave } from '../core/identity/move.ts';
import { encodeLeave } from '../core/identity/move-message.ts';
import { partitionOf } from '../core/partition.ts';
import type { OutgoingRecord, PartitionRef } from '../core/ports/event-log.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import { lowestPosition } from '../core/position.ts';
import type { ForwardedRecord } from './diff.ts';
import type { Arrival, Departure } from './identify.ts';
import { type DeadRecord, deadRecord, type MappedChange } from './normalise.ts';

export interface CanonicalLine {
  readonly plan: EntityPlan;
  readonly canonicalCodec: RecordCodec<CanonicalRecord>;
  readonly canonicalPartitions: number;
}

export interface EncodedChanges {
  readonly messages: OutgoingRecord[];
  /** Changes whose text no database takes. */
  readonly rejected: DeadRecord[];
}

export function encodeForward(
  line: CanonicalLine,
  batch: PartitionRef,
  records: readonly ForwardedRecord[],
  nowMs: number,
): EncodedChanges {
  const { plan } = line;
  const messages: OutgoingRecord[] = [];
  const rejected: DeadRecord[] = [];
  for (const record of records) {
    try {
      messages.push(messageOf(line, batch, record));
    } catch (error) {
      if (!(error instanceof SyncError) || record.kind === 'departure') throw error;
      const event = record.kind === 'change' ? record.event : undefined;
      rejected.push(deadRecord(plan, batch.partition, record.record, event, error, nowMs));
    }
  }
  return { messages, rejected };
}

function messageOf(line: CanonicalLine, batch: PartitionRef, record: ForwardedRecord): OutgoingRecord {
  if (record.kind === 'departure') return leaveMessage(line, batch, record);
  const { plan, canonicalCodec, canonicalPartitions } = line;
  const { entityId, tenure } = record;
  const canonical = record.kind === 'change' ? canonicalOf(plan, batch, record, entityId) : rejoinedRecord(plan, batch, record);
  return {
    topic: plan.canonicalTopic,
    partition: partitionOf(entityId, canonicalPartitions),
    key: entityId,
    value: canonicalCodec.encode(canonical),
    ...(tenure === 0 ? {} : { headers: { [canonicalHeaders.tenure]: String(tenure) } }),
  };
}

function leaveMessage(line: CanonicalLine, batch: PartitionRef, { cause, move }: Departure): OutgoingRecord {
  const { plan, canonicalPartitions } = line;
  const { from, to, reason, by, tenure } = move;
  const told = cause.kind === 'change' ? changeTold(line, batch, cause, from) : { record: orderOf(plan, batch, cause, from) };
  const leave: Leave = {
    eventId: move.eventId === null ? leaveIdOf(told.record.eventId, from) : (move.eventId as Leave['eventId']),
    to,
    reason,
    by,
    tenure,
    hasChange: cause.kind === 'change' && told.refused === undefined,
    ...(told.refused === undefined ? {} : { refused: told.refused }),
  };
  return {
    topic: plan.canonicalTopic,
    partition: partitionOf(from, canonicalPartitions),
    key: from,
    value: encodeLeave({ record: told.record, leave }),
    headers: { [rawHeaders.control]: canonicalControls.leave },
  };
}

interface Told {
  readonly record: CanonicalRecord;
  readonly refused?: NonNullable<Leave['refused']>;
}

/** A change that cannot be sent on does not keep the record where it was: its binding has moved. */
function changeTold({ plan, canonicalCodec }: CanonicalLine, batch: PartitionRef, change: MappedChange, from: EntityId): Told {
  const record = canonicalOf(plan, batch, change, from);
  try {
    canonicalCodec.encode(record);
    return { record };
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    const { code, message, details } = error;
    return {
      record: { ...record, operation: 'delete', data: null, checksum: null },
      refused: { code, reason: message, details },
    };
  }
}

function orderOf(
  { source, sourceType, kind }: EntityPlan,
  batch: PartitionRef,
  { key, record, relink }: Extract<Departure['cause'], { kind: 'relink' }>,
  entityId: EntityId,
): CanonicalRecord {
  return {
    eventId: relink.eventId as CanonicalRecord['eventId'],
    source,
    sourceType,
    kind,
    key,
    entityId,
    operation: 'delete',
    position: lowestPosition,
    occurredAt: new Date(record.timestampMs).toISOString(),
    receivedAtMs: record.timestampMs,
    correlationId: relink.eventId,
    checksum: null,
    data: null,
    origin: { topic: batch.topic, partition: batch.partition, offset: record.offset },
  };
}

function rejoinedRecord(
  { source, sourceType, kind }: EntityPlan,
  batch: PartitionRef,
  { key, entityId, record, rejoin, replayOf }: Arrival,
): CanonicalRecord {
  return {
    ...rejoin.state!,
    source,
    sourceType,
    kind,
    key,
    entityId,
    receivedAtMs: record.timestampMs,
    origin: { topic: batch.topic, partition: batch.partition, offset: record.offset },
    ...(replayOf === undefined ? {} : { replayOf }),
  };
}

function canonicalOf(plan: EntityPlan, batch: PartitionRef, change: MappedChange, entityId: EntityId): CanonicalRecord {
  const { event, data, record, replayOf } = change;
  return {
    eventId: event.eventId,
    source: plan.source,
    sourceType: plan.sourceType,
    kind: plan.kind,
    key: event.key,
    entityId,
    operation: event.operation,
    position: event.position,
    occurredAt: event.occurredAt,
    receivedAtMs: record.timestampMs,
    correlationId: event.correlationId,
    checksum:
      data === null
        ? null
        : plan.fingerprintIsChecksum
          ? (change.fingerprint as CanonicalRecord['checksum'])
          : plan.checksum(data),
    data,
    origin: { topic: batch.topic, partition: batch.partition, offset: record.offset },
    ...(replayOf === undefined ? {} : { replayOf }),
  };
}
