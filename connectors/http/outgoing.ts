import type { ChangeEvent, EventId, Operation } from '../../core/change-event.ts';
import { isSyncError } from '../../core/errors.ts';
import { eventIdOf } from '../../core/event-id.ts';
import { partitionOf } from '../../core/partition.ts';
import type { OutgoingRecord } from '../../core/ports/event-log.ts';
import type { DrawnRecord } from '../../core/ports/ingest-store.ts';
import type { RecordCodec } from '../../core/ports/record-codec.ts';
import type { Position } from '../../core/position.ts';
import type { FieldError } from '../../core/problem.ts';
import { type CheckedRecord, invalid } from './ingest-check.ts';
import type { IngestType } from './ingest-type.ts';

/** Where the records of a type go. */
export interface IngestLine {
  readonly type: IngestType;
  readonly topic: string;
  readonly partitions: number;
  readonly codec: RecordCodec<ChangeEvent>;
}

export interface Outgoing {
  readonly ids: readonly EventId[];
  readonly records: readonly OutgoingRecord[];
  readonly bytes: number;
  readonly correlationId: string;
}

/**
 * Records and what was drawn for them, as they stand on the raw topic. Their ids are made of what was drawn first; the
 * positions are those of this sending, because a raw topic holds the changes of a key in the order of their positions.
 */
export function outgoingOf(
  line: IngestLine,
  checked: readonly CheckedRecord[],
  drawn: readonly DrawnRecord[],
  positions: readonly Position[],
  correlationIdGiven: string | null,
  batch: boolean,
): Outgoing {
  const ids: EventId[] = [];
  const records: OutgoingRecord[] = [];
  const faults: FieldError[] = [];
  let bytes = 0;
  let correlationId = correlationIdGiven;
  for (const [index, record] of checked.entries()) {
    const draw = drawn[index]!;
    const { source, kind } = line.type;
    const eventId = eventIdOf(source, kind, draw.key, draw.position as Position, Date.parse(draw.occurredAt));
    // A request is one thing to whoever traces it: a batch shares the id of its first event.
    correlationId ??= eventId;
    const event: ChangeEvent = {
      eventId,
      source,
      kind,
      key: draw.key,
      operation: operationOf(line.type, record),
      position: positions[index]!,
      occurredAt: draw.occurredAt,
      correlationId,
      data: record.data,
    };
    try {
      const value = line.codec.encode(event);
      bytes += value.length + draw.key.length;
      ids.push(eventId);
      records.push({ topic: line.topic, partition: partitionOf(draw.key, line.partitions), key: draw.key, value });
    } catch (error) {
      const fault = faultOf(error);
      faults.push(batch ? { index, ...fault } : fault);
    }
  }
  if (faults.length > 0) throw invalid(faults);
  return { ids, records, bytes, correlationId: correlationId! };
}

/** Whether a keyed record is new nobody here knows: `update` says that this is its state now. */
function operationOf(type: IngestType, record: CheckedRecord): Operation {
  if (record.data === null) return 'delete';
  return type.keyFields.length === 0 ? 'create' : 'update';
}

/** What the codec refuses is the sender's to correct; anything else goes up. */
function faultOf(error: unknown): FieldError {
  if (!isSyncError(error) || !error.code.startsWith('record.')) throw error;
  const { field, found } = error.details;
  const message = typeof found === 'string' ? `holds ${found}, which PostgreSQL cannot store` : error.message;
  return { field: typeof field === 'string' ? field.replace(/^data\./, '') : '', code: error.code, message };
}
