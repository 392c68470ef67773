import type { ChangeEvent } from '../core/change-event.ts';
import { rawHeaders } from '../core/change-event.ts';
import { encodeRefusal } from '../core/codec/refusal-message.ts';
import { isSyncError, type SyncError } from '../core/errors.ts';
import { eventIdOf } from '../core/event-id.ts';
import { partitionOf } from '../core/partition.ts';
import type { OutgoingRecord } from '../core/ports/event-log.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import type { SourceChange } from '../core/ports/source-connector.ts';
import type { StreamLease } from '../core/ports/source-store.ts';
import { positionOf } from '../core/position.ts';

/** Where the changes of one kind go. */
export interface SourceLine {
  readonly topic: string;
  readonly partitions: number;
  readonly codec: RecordCodec<ChangeEvent>;
}

/** Times before this and after that are not of any record's making; an event must still have one. */
const latestMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * A change as it stands on the raw topic. One that cannot be told stands there as a refusal, so that it is accounted for
 * and ends as a dead letter.
 */
export function outgoingOf(line: SourceLine, lease: StreamLease, change: SourceChange): OutgoingRecord {
  const { kind, key, operation, order, data, fault } = change;
  const { source, token, epoch } = lease;
  const occurredAtMs = Math.max(0, Math.min(change.occurredAtMs, latestMs));
  const position = positionOf(epoch, order);
  const eventId = eventIdOf(source, kind, key, position, occurredAtMs);
  const occurredAt = new Date(occurredAtMs).toISOString();
  const event: ChangeEvent = {
    eventId,
    source,
    kind,
    key,
    operation,
    position,
    occurredAt,
    correlationId: eventId,
    data,
  };
  const place = { topic: line.topic, partition: partitionOf(key, line.partitions), key };
  const headers = { [rawHeaders.lease]: String(token) };
  const refuse = (error: SyncError): OutgoingRecord => ({
    ...place,
    value: encodeRefusal({ event, error }),
    headers: { ...headers, [rawHeaders.refused]: error.code },
  });
  if (fault !== undefined) return refuse(fault);
  try {
    return { ...place, value: line.codec.encode(event), headers };
  } catch (error) {
    if (!isSyncError(error) || !error.code.startsWith('record.')) throw error;
    return refuse(error);
  }
}
