import { describe, expect, test } from 'vitest';
import type { CanonicalRecord, EntityId, EventId } from '../change-event.ts';
import { type JsonObject, parseExact, stringifyExact } from '../json.ts';
import { positionOf } from '../position.ts';
import type { Leave, Rejoin, Relink } from './move.ts';
import {
  decodeLeave,
  decodeRejoin,
  decodeRelink,
  encodeLeave,
  encodeRejoin,
  encodeRelink,
  rawControlIn,
} from './move-message.ts';

const eventId = '01a1fca6-862b-8f36-bca4-7e1bcec98a41' as EventId;
const to = 'product:B' as EntityId;
const data = parseExact('{"price":0.12345678901234567890123,"stock":9007199254740993}') as JsonObject;
const position = positionOf(1, 'a');
const checksum = 'a'.repeat(64) as CanonicalRecord['checksum'];
const occurredAt = '2026-01-01T00:00:00.000Z';
const relink: Relink = { eventId, to, reason: 'merge', by: 'Ann (1)' };
const rejoin: Rejoin = {
  from: 'product:A' as EntityId,
  movedAt: 7,
  state: { eventId, operation: 'snapshot', position, occurredAt, correlationId: 'c', checksum, data },
};
const record: CanonicalRecord = {
  eventId,
  source: 'shop',
  sourceType: 'SHOP',
  kind: 'product',
  key: '1',
  entityId: 'product:A' as EntityId,
  operation: 'update',
  position,
  occurredAt,
  receivedAtMs: 1,
  correlationId: 'c',
  checksum,
  data,
  origin: { topic: 'source.shop.product', partition: 0, offset: 7 },
};
const leave: Leave = { eventId, to, reason: 'match-key', by: null, tenure: -1, hasChange: true };

const bytes = (text: string) => Buffer.from(text);

describe('messages that move a record', () => {
  test('are read as they were written, with every digit', () => {
    expect(decodeRelink(bytes(encodeRelink(relink)))).toEqual(relink);
    expect(decodeRejoin(bytes(encodeRejoin(rejoin)))).toEqual(rejoin);
    expect(decodeLeave(bytes(encodeLeave({ record, leave })))).toEqual({ record, leave });
    const empty = { ...rejoin, state: null };
    expect(decodeRejoin(bytes(encodeRejoin(empty)))).toEqual(empty);
  });

  test('on raw topics are known by their beginning, because a replay brings the bytes alone', () => {
    expect(rawControlIn(bytes(encodeRelink(relink)))).toBe('relink');
    expect(rawControlIn(bytes(encodeRejoin(rejoin)))).toBe('rejoin');
    expect(rawControlIn(bytes('{"eventId":"x","data":{"relink":{}}}'))).toBeUndefined();
    expect(rawControlIn(bytes(''))).toBeUndefined();
  });

  test.each([
    ['no JSON', () => decodeRelink(bytes('{"relink":'))],
    ['no object', () => decodeRelink(bytes('[1]'))],
    ['no reason', () => decodeRelink(bytes(stringifyExact({ relink: { ...relink, reason: 'because' } as never })))],
    ['no entity', () => decodeRelink(bytes(stringifyExact({ relink: { ...relink, to: '' } as never })))],
    ['an offset that is none', () => decodeRejoin(bytes(encodeRejoin({ ...rejoin, movedAt: -1 })))],
    [
      'a state without a position',
      () => decodeRejoin(bytes(encodeRejoin({ ...rejoin, state: { ...rejoin.state!, position: 'x' as never } }))),
    ],
    ['a leave without a record', () => decodeLeave(bytes(stringifyExact({ leave: leave as never })))],
    ['a tenure that is no number', () => decodeLeave(bytes(encodeLeave({ record, leave: { ...leave, tenure: 'x' as never } })))],
  ])('are refused with %s', (_, read) => {
    expect(read).toThrow(expect.objectContaining({ code: 'record.malformed' }));
  });
});
