import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import { SyncError } from '../../core/errors.ts';
import { eventIdOf } from '../../core/event-id.ts';
import type { DrawnRecord } from '../../core/ports/ingest-store.ts';
import type { Position } from '../../core/position.ts';
import { ada, openIngestWorld, post } from '../../tests/ingest-world.ts';

describe('what is accepted', () => {
  test('a user is answered with the id of the event that stands in Kafka', async () => {
    const world = await openIngestWorld();
    const { status, body, headers } = await post(world, '/users', ada);
    expect(status).toBe(200);
    expect(headers.get('x-correlation-id')).toBe(body.id);
    expect(world.kafka.records).toMatchObject([{ topic: 'source.shop.users', key: 'ada@example.com' }]);
    expect(world.kafka.events).toMatchObject([
      {
        eventId: body.id,
        source: 'shop',
        kind: 'users',
        key: 'ada@example.com',
        operation: 'update',
        data: ada,
        correlationId: body.id,
      },
    ]);
  });

  test('nothing is answered before Kafka has acknowledged', async () => {
    const world = await openIngestWorld();
    const { promise: acknowledged, resolve: acknowledge } = Promise.withResolvers<void>();
    const { promise: sending, resolve: begun } = Promise.withResolvers<void>();
    let answered = false;
    world.kafka.behave = () => {
      begun();
      return acknowledged;
    };
    const answer = post(world, '/users', ada).then(() => {
      answered = true;
    });
    await sending;
    await systemClock.sleep(50);
    expect(answered).toBe(false);
    acknowledge();
    await answer;
  });

  test('a batch is one send, its ids in order and its positions rising', async () => {
    const world = await openIngestWorld();
    const batch = [1, 2, 3].map((number) => ({ shop: 'a', number }));
    const { body } = await post(world, '/events/orders', batch);
    expect(world.kafka.events.map((event) => event.eventId)).toEqual(body.ids);
    const positions = world.kafka.events.map((event) => String(event.position));
    expect(positions).toEqual([...new Set(positions)].sort());
    expect(new Set(world.kafka.events.map((event) => event.correlationId))).toEqual(new Set([body.ids[0]]));
  });

  test('requests that come together share a send', async () => {
    const world = await openIngestWorld();
    world.kafka.behave = () => systemClock.sleep(30);
    await Promise.all(Array.from({ length: 100 }, () => post(world, '/events/clicks', { page: '/' })));
    expect(world.kafka.records).toHaveLength(100);
    expect(world.kafka.sends.length).toBeLessThan(30);
  });

  test('equal posts without a key field are two entities, and each is created', async () => {
    const world = await openIngestWorld();
    const [first, second] = [
      await post(world, '/events/clicks', { page: '/' }),
      await post(world, '/events/clicks', { page: '/' }),
    ];
    expect(first.body.id).not.toBe(second.body.id);
    expect(new Set(world.kafka.records.map((record) => record.key)).size).toBe(2);
    expect(world.kafka.events.map((event) => event.operation)).toEqual(['create', 'create']);
  });

  test('several key fields make one key, and no two lists of values the same one', async () => {
    const world = await openIngestWorld();
    await post(world, '/events/orders', [
      { shop: 'a/1', number: 2 },
      { shop: 'a', number: 12 },
      { shop: 'a%2F1', number: 2 },
    ]);
    expect(world.kafka.records.map((record) => record.key)).toEqual(['a%2F1/2', 'a/12', 'a%252F1/2']);
  });

  test('digits beyond 2^53 arrive as they were sent', async () => {
    const world = await openIngestWorld();
    const text = '{"shop":"a","number":12345678901234567890,"total":0.1234567890123456789}';
    expect((await post(world, '/events/orders', text)).status).toBe(200);
    expect(String(world.kafka.records[0]?.value)).toContain('"number":12345678901234567890,"total":0.1234567890123456789');
    expect(world.kafka.records[0]?.key).toBe('a/12345678901234567890');
  });

  test('the configured field says when it happened, in UTC', async () => {
    const world = await openIngestWorld();
    await post(world, '/events/orders?source=shop', { shop: 'a', number: 1, at: '9999-12-31T23:59:59.5+02:00' });
    expect(world.kafka.events[0]?.occurredAt).toBe('9999-12-31T21:59:59.5Z');
    for (const at of ['yesterday', '0000-01-01T00:00:00Z', '2026-02-30T00:00:00Z', 5, {}]) {
      expect((await post(world, '/events/orders', { shop: 'a', number: 1, at })).body.errors).toMatchObject([{ field: 'at' }]);
    }
  });

  test('a correlation id is taken over and given back', async () => {
    const world = await openIngestWorld();
    const { body, headers } = await post(world, '/users', ada, { 'x-correlation-id': 'order-17' });
    expect([body.correlationId, headers.get('x-correlation-id')]).toEqual(['order-17', 'order-17']);
    expect(world.kafka.events[0]?.correlationId).toBe('order-17');
  });

  test('a compressed body is inflated', async () => {
    const world = await openIngestWorld();
    expect((await post(world, '/users', gzipSync(JSON.stringify(ada)), { 'content-encoding': 'gzip' })).status).toBe(200);
  });

  test('a deletion carries its key and no data', async () => {
    const world = await openIngestWorld();
    const response = await fetch(`${world.url}/users/${encodeURIComponent(ada.email)}`, { method: 'DELETE' });
    expect(response.status).toBe(200);
    expect(world.kafka.events).toMatchObject([{ operation: 'delete', key: ada.email, data: null }]);
  });

  test('a type that two sources have needs the source named', async () => {
    const world = await openIngestWorld();
    expect((await post(world, '/events/receipts', { id: 'r1' })).body.errors).toMatchObject([{ field: 'source' }]);
    expect((await post(world, '/events/receipts?source=kiosk', { id: 'r1' })).status).toBe(200);
    expect(world.kafka.records[0]?.topic).toBe('source.kiosk.receipts');
  });
});

describe('when Kafka is out', () => {
  test('nothing is accepted, and the answer says when to come back', async () => {
    const world = await openIngestWorld();
    world.kafka.behave = () => Promise.reject(new SyncError('kafka.unavailable', 'no broker answers'));
    const answer = await post(world, '/users', ada);
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([503, 'kafka.unavailable', '1']);
  });

  test('a request waits so long and no longer, and what was never sent is not sent later', async () => {
    const world = await openIngestWorld({ acknowledgeMsMax: 100 });
    const { promise: back, resolve: recover } = Promise.withResolvers<void>();
    world.kafka.behave = () => back;
    const first = post(world, '/users', ada);
    await systemClock.sleep(40);
    const second = post(world, '/users', { name: 'B', email: 'b@example.com' });
    expect((await first).body.detail).toContain('may have been written');
    expect((await second).body.detail).toContain('nothing of this request was sent');
    recover();
    expect((await post(world, '/users', { name: 'C', email: 'c@example.com' })).status).toBe(200);
    expect(world.kafka.records.map((record) => record.key)).toEqual([ada.email, 'c@example.com']);
  });

  test('what waits is bounded: the rest is turned away at once', async () => {
    const world = await openIngestWorld({ queuedBytesMax: 3_000, acknowledgeMsMax: 2_000 });
    const { promise: back, resolve: recover } = Promise.withResolvers<void>();
    world.kafka.behave = () => back;
    const waiting = Array.from({ length: 30 }, (_none, at) => post(world, '/users', { name: 'A', email: `a${at}@b.co` }));
    // Who is turned away is the first to hear anything.
    await Promise.race(waiting);
    recover();
    const codes = (await Promise.all(waiting)).map((answer) => answer.body.code ?? 'accepted');
    expect(codes).toContain('ingest.overloaded');
    expect(world.kafka.records).toHaveLength(codes.filter((code) => code === 'accepted').length);
  });
});

describe('an idempotency key', () => {
  const headers = { 'idempotency-key': 'k-1' };

  test('makes asking twice asking once', async () => {
    const world = await openIngestWorld();
    const first = await post(world, '/events/clicks', { page: '/' }, headers);
    const second = await post(world, '/events/clicks', { page: '/' }, headers);
    expect(second.body.id).toBe(first.body.id);
    expect(world.kafka.records).toHaveLength(1);
  });

  test('sends the same event again after a crash between drawing and Kafka', async () => {
    const world = await openIngestWorld();
    world.kafka.behave = () => Promise.reject(new SyncError('kafka.unavailable', 'out'));
    expect((await post(world, '/events/clicks', [{ page: '/' }, { page: '/2' }], headers)).status).toBe(503);
    const drawn = [...world.store.requests.values()][0]?.drawn;
    world.kafka.behave = async () => undefined;
    const again = await post(world, '/events/clicks', [{ page: '/' }, { page: '/2' }], headers);
    expect(world.kafka.events.map((event) => [event.key, event.occurredAt])).toEqual(
      drawn?.map((draw) => [draw.key, draw.occurredAt]),
    );
    const idOf = (draw: DrawnRecord) =>
      eventIdOf('shop', 'clicks', draw.key, draw.position as Position, Date.parse(draw.occurredAt));
    expect(again.body.ids).toEqual(drawn?.map(idOf));
    expect(world.kafka.events.map((event) => event.eventId)).toEqual(again.body.ids);
  });

  test('sends again behind what was sent since, so that the positions of a key rise on its topic', async () => {
    const world = await openIngestWorld();
    world.kafka.behave = () => Promise.reject(new SyncError('kafka.unavailable', 'out'));
    expect((await post(world, '/users', ada, headers)).status).toBe(503);
    world.kafka.behave = async () => undefined;
    await post(world, '/users', { ...ada, name: 'Ada L.' });
    await post(world, '/users', ada, headers);
    await post(world, '/users', ada);
    const positions = world.kafka.events.map((event) => String(event.position));
    expect(world.kafka.events.map((event) => (event.data as typeof ada).name)).toEqual(['Ada L.', 'Ada', 'Ada']);
    expect(positions).toEqual([...new Set(positions)].sort());
  });

  test('that has to wait for the database is sent behind what did not wait', async () => {
    const world = await openIngestWorld();
    const { promise: claimed, resolve: answerClaim } = Promise.withResolvers<void>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const claim = world.store.claim;
    world.store.claim = async (claims) => {
      ask();
      await claimed;
      return claim(claims);
    };
    const waiting = post(world, '/users', ada, headers);
    await asked;
    await post(world, '/users', { ...ada, name: 'Ada L.' });
    answerClaim();
    await waiting;
    const positions = world.kafka.events.map((event) => String(event.position));
    expect(positions).toHaveLength(2);
    expect(positions).toEqual([...positions].sort());
  });

  test('with another body is refused', async () => {
    const world = await openIngestWorld();
    await post(world, '/events/clicks', { page: '/' }, headers);
    const answer = await post(world, '/events/clicks', { page: '/other' }, headers);
    expect([answer.status, answer.body.code]).toEqual([422, 'request.idempotency-mismatch']);
    expect(world.kafka.records).toHaveLength(1);
  });

  test('is not bound to a request that was at fault', async () => {
    const world = await openIngestWorld();
    expect((await post(world, '/users', { name: '\u0000', email: 'a@b.co' }, headers)).status).toBe(400);
    expect((await post(world, '/users', ada, headers)).status).toBe(200);
  });

  test('asked twice at once gives one id', async () => {
    const world = await openIngestWorld();
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(world, '/events/clicks', { page: '/' }, headers)));
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(new Set(world.kafka.events.map((event) => event.eventId)).size).toBe(1);
  });
});
