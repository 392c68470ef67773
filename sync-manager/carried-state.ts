import { type CanonicalRecord, type EventId, goldenSourceType } from '../core/change-event.ts';
import { carriedIdOf } from '../core/event-id.ts';
import type { CarriedState, Leave } from '../core/identity/move.ts';
import type { RejoinNotice, StateHead, StateRow } from '../core/ports/sync-store.ts';
import { lowestPosition } from '../core/position.ts';

/** Where the record stands now hears of it through the source's own raw partition, behind whatever came before. */
export function rejoinNotice({ origin, key, entityId }: CanonicalRecord, state: CarriedState | null): RejoinNotice {
  const { topic, partition, offset } = origin;
  return { topic, partition, key, rejoin: { from: entityId, movedAt: offset, state } };
}

/** A change that the record makes while it moves keeps its id: nobody has stored it yet. */
export function carriedChange(record: CanonicalRecord): CarriedState {
  const { eventId, operation, position, occurredAt, correlationId, checksum, data } = record;
  return { eventId, operation, position, occurredAt, correlationId, checksum, data };
}

/** What is stored here under its id is told there under another. */
export function carriedRow(row: StateRow, { eventId: leaveId }: Leave, correlationId: string): CarriedState {
  return {
    eventId: carriedIdOf(row.eventId, leaveId),
    operation: row.deleted ? 'delete' : 'snapshot',
    position: row.position ?? lowestPosition,
    occurredAt: new Date(timeIn(row.eventId)).toISOString(),
    correlationId,
    checksum: row.checksum,
    data: row.data,
  };
}

/** Event ids begin with 48 bits of the source's commit time. */
function timeIn(eventId: EventId): number {
  return Number.parseInt(eventId.slice(0, 8) + eventId.slice(9, 13), 16);
}

/** Whether the row is about this record and not about another of its source that has or had the place. */
export function isOf(row: StateHead | undefined, tenure: number): boolean {
  return row !== undefined && row.sourceType !== goldenSourceType && (row.tenure ?? 0) === tenure;
}
