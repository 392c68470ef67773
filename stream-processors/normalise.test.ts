import { expect, test } from 'vitest';
import type { ChangeEvent } from '../core/change-event.ts';
import { rawHeaders } from '../core/change-event.ts';
import { jsonCodecs } from '../core/codec/json-codec.ts';
import { encodeRefusal } from '../core/codec/refusal-message.ts';
import { compileEntityPlan } from '../core/entity-plan.ts';
import { SyncError } from '../core/errors.ts';
import { positionOf } from '../core/position.ts';
import { topicNames } from '../core/topics.ts';
import { normalise } from './normalise.ts';

test('a record that its connector could not tell is a dead letter with the connector’s reason', async () => {
  const plan = compileEntityPlan({ source: 'erp', sourceType: 'ERP', kind: 'product' }, topicNames());
  const codec = await jsonCodecs().for('change', plan.rawTopic);
  const event: ChangeEvent = {
    eventId: '01a1fca6-862b-8f36-bca4-7e1bcec98a41' as ChangeEvent['eventId'],
    source: 'erp',
    kind: 'product',
    key: 'A',
    operation: 'update',
    position: positionOf(1, 'x'),
    occurredAt: '2026-01-01T00:00:00.000Z',
    correlationId: 'c',
    data: null,
  };
  const error = new SyncError('record.too-large', 'the record has 9 bytes', { details: { bytes: 9 } });
  const value = Buffer.from(encodeRefusal({ event, error }));
  const record = { offset: 7, key: 'A', value, headers: { [rawHeaders.refused]: error.code }, timestampMs: 0 };
  expect(normalise(plan, 1, codec, { record, glance: undefined } as never, 5)).toMatchObject({
    kind: 'dead',
    key: 'A',
    position: event.position,
    letter: {
      code: 'record.too-large',
      reason: 'the record has 9 bytes',
      details: { bytes: 9 },
      eventId: event.eventId,
      origin: { offset: 7 },
    },
  });
  const stranger = { ...record, value: Buffer.from('{') };
  expect(normalise(plan, 1, codec, { record: stranger, glance: undefined } as never, 5)).toMatchObject({
    kind: 'dead',
    letter: { code: 'record.malformed' },
  });
});
