import { canonicalControls, type EntityId, rawHeaders } from '../core/change-event.ts';
import { partitionOf } from '../core/partition.ts';
import type { OutgoingRecord } from '../core/ports/event-log.ts';

/** Asks the sync manager that owns the entity to merge its golden record anew. Saying it twice is saying it once. */
export function remergeMessage(topic: string, partitions: number, entityId: EntityId): OutgoingRecord {
  const headers = { [rawHeaders.control]: canonicalControls.remerge };
  return { topic, partition: partitionOf(entityId, partitions), key: entityId, value: '{}', headers };
}
