import { expect, test } from 'vitest';
import { checksumOf } from '../canonical/canonical.ts';
import type { CanonicalRecord, EntityId } from '../change-event.ts';
import { conflictRulesSchema } from '../config/conflict-policy.ts';
import { compileConflictPolicy } from '../conflict/policy.ts';
import { EntityReplay } from '../conflict/replay.ts';
import { eventIdOf } from '../event-id.ts';
import type { JsonObject } from '../json.ts';
import { orderOf, positionOf } from '../position.ts';

const sources = [
  { name: 'shop', type: 'SHOP' },
  { name: 'erp', type: 'ERP' },
];
const policyOf = (rules: object) => compileConflictPolicy('product', conflictRulesSchema.parse(rules), sources);

function said(sourceType: 'SHOP' | 'ERP', n: number, data: JsonObject | null): CanonicalRecord {
  const position = positionOf(1, orderOf(n));
  const eventId = eventIdOf(sourceType, 'product', '1', position, n * 1_000);
  return {
    eventId,
    source: sourceType.toLowerCase(),
    sourceType,
    kind: 'product',
    key: '1',
    entityId: 'product:A' as EntityId,
    operation: data === null ? 'delete' : 'update',
    position,
    occurredAt: new Date(n * 1_000).toISOString(),
    receivedAtMs: n * 1_000,
    correlationId: eventId,
    checksum: data === null ? null : checksumOf(data),
    data,
    origin: { topic: 't', partition: 0, offset: n },
  };
}

test('what-if knows that a record left, and compares what the others say', () => {
  const replayed = (left: boolean) => {
    const replay = new EntityReplay(policyOf({ ranking: ['erp', 'shop'] }), policyOf({ ranking: ['shop', 'erp'] }), 0);
    const both = { price: 2, title: 'Lamp' };
    replay.take({ record: said('ERP', 1, { price: 1 }), golden: { data: { price: 1 } } });
    replay.take({ record: said('SHOP', 2, both), golden: { data: { price: 1, title: 'Lamp' } } });
    if (left) replay.take({ record: said('SHOP', 3, null), left: true, golden: { data: { price: 1 } } });
    return replay.outcome();
  };
  expect(replayed(true)).toMatchObject({ verdict: 'same', unexplained: [] });
  expect(replayed(false)).toMatchObject({ verdict: 'differs', fields: { price: { was: 1, wouldBe: 2 } } });
});
