import type { CanonicalRecord } from '../core/change-event.ts';
import type { Leave } from '../core/identity/move.ts';
import type { EventStatus, Outcome, OutcomeCount } from '../core/outcome.ts';
import type { EventRow, StateRow } from '../core/ports/sync-store.ts';

/** `golden` is the row that the event made. */
export function eventRow(record: CanonicalRecord, status: EventStatus, golden?: StateRow): EventRow {
  return {
    eventId: record.eventId,
    sourceType: record.sourceType,
    sourceId: record.key,
    entityId: record.entityId,
    operation: record.operation,
    data: record.data,
    checksum: record.checksum,
    position: record.position,
    occurredAt: record.occurredAt,
    receivedAtMs: record.receivedAtMs,
    status,
    correlationId: record.correlationId,
    goldenVersion: golden?.version ?? null,
    ...(golden === undefined || golden.checksum === record.checksum ? {} : { goldenData: golden.data }),
  };
}

/** In the history of the entity that was left. */
export function leaveRow(record: CanonicalRecord, { eventId }: Leave, golden?: StateRow): EventRow {
  const leave = { ...record, eventId, data: null, checksum: null };
  return { ...eventRow(leave, 'applied', golden), operation: 'leave' };
}

export class OutcomeCounter {
  readonly #counts = new Map<string, OutcomeCount>();

  add(record: CanonicalRecord, outcome: Outcome): void {
    const { topic, partition } = record.origin;
    const id = `${topic}/${partition}/${outcome}`;
    const count = (this.#counts.get(id)?.count ?? 0) + 1;
    this.#counts.set(id, { topic, partition, outcome, count });
  }

  counts(): OutcomeCount[] {
    return [...this.#counts.values()];
  }
}
