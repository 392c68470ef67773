import { checksumOf } from '../core/canonical/canonical.ts';
import { type ChangeEvent, canonicalControls, rawHeaders } from '../core/change-event.ts';
import { encodeAcknowledgement } from '../core/codec/acknowledgement-message.ts';
import type { Acknowledgement } from '../core/conflict/acknowledgement.ts';
import { eventIdOf } from '../core/event-id.ts';
import { partitionOf } from '../core/partition.ts';
import type { OutgoingRecord } from '../core/ports/event-log.ts';
import type { TargetRow } from '../core/ports/target-connector.ts';
import type { Echo, TargetView } from '../core/ports/target-store.ts';
import { lowestPosition, rightBehind } from '../core/position.ts';
import type { BackRoute, SourceHalf, TargetPlan } from './target-plan.ts';

/** Tells the sync manager that a write-back was made. It counts once, however often it is sent. */
export function acknowledgementMessage(
  plan: TargetPlan,
  source: SourceHalf,
  echo: Omit<Echo, 'state' | 'updatedAtMs' | 'doubted'>,
): OutgoingRecord {
  const { entityId, returned } = echo;
  const acknowledgement: Acknowledgement = {
    entityId,
    sourceType: source.plan.sourceType,
    kind: plan.kind,
    eventId: echo.eventId,
    knowledge: echo.knowledge,
    through: echo.through,
    replaced: echo.replaced,
    returned,
    checksum: returned === null ? null : checksumOf(returned),
    // Whatever the source says of a record that we made comes after it.
    position: lowestPosition,
  };
  return {
    topic: plan.canonicalTopic,
    partition: partitionOf(entityId, plan.canonicalPartitions),
    key: entityId,
    value: encodeAcknowledgement({ ledgerId: echo.id, acknowledgement }),
    headers: { [rawHeaders.control]: canonicalControls.acknowledged },
  };
}

/**
 * What stood at the target instead of what we expected, as the change of that system that it is. It stands right behind
 * what the system told last, so whatever it tells by itself comes after it. Nothing where there is no room left.
 */
export function foundMessages(
  plan: Pick<TargetPlan, 'target' | 'kind'>,
  back: BackRoute,
  { own }: Pick<TargetView, 'own'>,
  key: string,
  row: TargetRow | null,
  nowMs: number,
): OutgoingRecord[] {
  const position = rightBehind(own?.position ?? lowestPosition);
  if (position === undefined) return [];
  const eventId = eventIdOf(plan.target, plan.kind, key, position, nowMs);
  const event: ChangeEvent = {
    eventId,
    source: plan.target,
    kind: plan.kind,
    key,
    operation: row === null ? 'delete' : 'update',
    position,
    occurredAt: new Date(nowMs).toISOString(),
    correlationId: eventId,
    data: row,
  };
  const message = { topic: back.topic, partition: partitionOf(key, back.partitions), key, value: back.codec.encode(event) };
  // The filter may hold the same row as the newest: it never saw ours in between.
  return [forgetMessage(back, key), message];
}

/** What the filter remembers of a record is not what stands there any more, and the system will not tell by itself. */
export function forgetMessage(back: BackRoute, key: string): OutgoingRecord {
  return {
    topic: back.topic,
    partition: partitionOf(key, back.partitions),
    key,
    value: null,
    headers: { [rawHeaders.control]: 'forget' },
  };
}
