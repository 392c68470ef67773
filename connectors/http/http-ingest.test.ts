import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import express from 'express';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import { jsonCodecs } from '../../core/codec/json-codec.ts';
import { parseConfig } from '../../core/config/config.ts';
import { SyncError } from '../../core/errors.ts';
import type { OutgoingRecord } from '../../core/ports/event-log.ts';
import type { Telemetry } from '../../core/ports/telemetry.ts';
import type { Problem } from '../../core/problem.ts';
import { topicNames } from '../../core/topics.ts';
import { memoryIngestStore } from '../../tests/memory-stores.ts';
import { createHttpIngest, type HttpIngestLimits } from './http-ingest.ts';
import { ingestTypesOf } from './ingest-types.ts';

const { sources } = parseConfig({
  sources: {
    shop: {
      connector: 'http',
      entities: {
        users: { key: 'email' },
        orders: {
          key: ['shop', 'number'],
          occurredAt: 'at',
          schema: {
            fields: {
              shop: { type: 'string', required: true },
              number: { type: 'integer', required: true },
              total: { type: 'decimal' },
              at: { type: 'any' },
            },
            additionalFields: 'refuse',
          },
        },
        clicks: {},
      },
    },
    till: { connector: 'http', entities: { receipts: { key: 'id' } } },
    kiosk: { connector: 'http', entities: { receipts: { key: 'id' } } },
  },
});

const silent = new Proxy({}, { get: () => () => undefined }) as Telemetry;

class FakeKafka {
  readonly sends: OutgoingRecord[][] = [];
  behave: () => Promise<void> = async () => undefined;
  get records(): OutgoingRecord[] {
    return this.sends.flat();
  }
  get events(): Record<string, unknown>[] {
    return this.records.map((record) => JSON.parse(String(record.value)));
  }
  async send(records: readonly OutgoingRecord[]): Promise<void> {
    await this.behave();
    this.sends.push([...records]);
  }
  async close(): Promise<void> {}
}

interface World {
  readonly kafka: FakeKafka;
  readonly store: ReturnType<typeof memoryIngestStore>;
  readonly url: string;
}

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function openWorld(limits: Partial<HttpIngestLimits> = {}): Promise<World> {
  const kafka = new FakeKafka();
  const store = memoryIngestStore();
  const ingest = createHttpIngest({
    types: ingestTypesOf(sources),
    producer: kafka,
    ingestStore: store,
    clock: systemClock,
    telemetry: silent,
    topics: topicNames(),
    codecs: jsonCodecs({ recordBytesMax: 100_000, nestingMax: 20 }),
    partitionsOf: () => 4,
    limits: { bodyBytesMax: 200_000, batchRecordsMax: 10, ...limits },
  });
  const server = createServer(express().use(ingest.router));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => closeServer(server), ingest.close);
  return { kafka, store, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: { id: string; ids: string[]; correlationId: string } & Problem;
}

async function post(world: World, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(world.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: raw ? (body as string) : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text === '' ? '{}' : text) };
}

const ada = { name: 'Ada', email: 'ada@example.com' };

describe('what is accepted', () => {
  test('a user is answered with the id of the event that stands in Kafka', async () => {
    const world = await openWorld();
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
    const world = await openWorld();
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
    const world = await openWorld();
    const batch = [1, 2, 3].map((number) => ({ shop: 'a', number }));
    const { body } = await post(world, '/events/orders', batch);
    expect(world.kafka.events.map((event) => event.eventId)).toEqual(body.ids);
    const positions = world.kafka.events.map((event) => String(event.position));
    expect(positions).toEqual([...new Set(positions)].sort());
    expect(new Set(world.kafka.events.map((event) => event.correlationId))).toEqual(new Set([body.ids[0]]));
  });

  test('requests that come together share a send', async () => {
    const world = await openWorld();
    world.kafka.behave = () => systemClock.sleep(30);
    await Promise.all(Array.from({ length: 100 }, () => post(world, '/events/clicks', { page: '/' })));
    expect(world.kafka.records).toHaveLength(100);
    expect(world.kafka.sends.length).toBeLessThan(30);
  });

  test('equal posts without a key field are two entities, and each is created', async () => {
    const world = await openWorld();
    const [first, second] = [
      await post(world, '/events/clicks', { page: '/' }),
      await post(world, '/events/clicks', { page: '/' }),
    ];
    expect(first.body.id).not.toBe(second.body.id);
    expect(new Set(world.kafka.records.map((record) => record.key)).size).toBe(2);
    expect(world.kafka.events.map((event) => event.operation)).toEqual(['create', 'create']);
  });

  test('several key fields make one key, and no two lists of values the same one', async () => {
    const world = await openWorld();
    await post(world, '/events/orders', [
      { shop: 'a/1', number: 2 },
      { shop: 'a', number: 12 },
      { shop: 'a%2F1', number: 2 },
    ]);
    expect(world.kafka.records.map((record) => record.key)).toEqual(['a%2F1/2', 'a/12', 'a%252F1/2']);
  });

  test('digits beyond 2^53 arrive as they were sent', async () => {
    const world = await openWorld();
    const text = '{"shop":"a","number":12345678901234567890,"total":0.1234567890123456789}';
    expect((await post(world, '/events/orders', text)).status).toBe(200);
    expect(String(world.kafka.records[0]?.value)).toContain('"number":12345678901234567890,"total":0.1234567890123456789');
    expect(world.kafka.records[0]?.key).toBe('a/12345678901234567890');
  });

  test('the configured field says when it happened, in UTC', async () => {
    const world = await openWorld();
    await post(world, '/events/orders?source=shop', { shop: 'a', number: 1, at: '9999-12-31T23:59:59.5+02:00' });
    expect(world.kafka.events[0]?.occurredAt).toBe('9999-12-31T21:59:59.5Z');
    for (const at of ['yesterday', '0000-01-01T00:00:00Z', '2026-02-30T00:00:00Z', 5, {}]) {
      expect((await post(world, '/events/orders', { shop: 'a', number: 1, at })).body.errors).toMatchObject([{ field: 'at' }]);
    }
  });

  test('a correlation id is taken over and given back', async () => {
    const world = await openWorld();
    const { body, headers } = await post(world, '/users', ada, { 'x-correlation-id': 'order-17' });
    expect([body.correlationId, headers.get('x-correlation-id')]).toEqual(['order-17', 'order-17']);
    expect(world.kafka.events[0]?.correlationId).toBe('order-17');
  });

  test('a compressed body is inflated', async () => {
    const world = await openWorld();
    expect((await post(world, '/users', gzipSync(JSON.stringify(ada)), { 'content-encoding': 'gzip' })).status).toBe(200);
  });

  test('a deletion carries its key and no data', async () => {
    const world = await openWorld();
    const response = await fetch(`${world.url}/users/${encodeURIComponent(ada.email)}`, { method: 'DELETE' });
    expect(response.status).toBe(200);
    expect(world.kafka.events).toMatchObject([{ operation: 'delete', key: ada.email, data: null }]);
  });

  test('a type that two sources have needs the source named', async () => {
    const world = await openWorld();
    expect((await post(world, '/events/receipts', { id: 'r1' })).body.errors).toMatchObject([{ field: 'source' }]);
    expect((await post(world, '/events/receipts?source=kiosk', { id: 'r1' })).status).toBe(200);
    expect(world.kafka.records[0]?.topic).toBe('source.kiosk.receipts');
  });
});

describe('what is refused', () => {
  test('every field at fault is named at once', async () => {
    const world = await openWorld();
    const { status, headers, body } = await post(world, '/users', { email: 'nobody' });
    expect(status).toBe(400);
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(body).toMatchObject({ type: 'urn:syncline:error:request.invalid', status: 400, code: 'request.invalid' });
    expect(body.errors).toEqual([
      { field: 'name', code: 'required', message: 'is required' },
      { field: 'email', code: 'invalid', message: 'must be an email address' },
    ]);
  });

  test('a batch with one record at fault is refused whole, with the place of every fault', async () => {
    const world = await openWorld();
    const { status, body } = await post(world, '/users', [ada, { name: 'B' }, 7, { ...ada, name: '' }]);
    expect(status).toBe(400);
    expect(body.errors?.map(({ index, field }) => [index, field])).toEqual([
      [1, 'email'],
      [2, ''],
      [3, 'name'],
    ]);
    expect(world.kafka.records).toEqual([]);
  });

  test.each<[string, string | Uint8Array, number, string]>([
    ['half a document', '{"name":', 400, 'request.malformed'],
    ['an empty body', '', 400, 'request.malformed'],
    ['bytes that are no UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400, 'request.malformed'],
    ['an empty batch', '[]', 400, 'request.invalid'],
    ['a batch in a batch', '[[]]', 400, 'request.invalid'],
    ['a text', '"user"', 400, 'request.invalid'],
    ['null', 'null', 400, 'request.invalid'],
    ['more records than a batch may hold', JSON.stringify(Array.from({ length: 11 }, () => ada)), 400, 'request.invalid'],
    ['nesting without end', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, 400, 'request.invalid'],
    ['objects without end', `${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}`, 400, 'request.invalid'],
    [
      'nesting deeper than carried',
      `{"name":"A","email":"a@b.co","x":${'['.repeat(25)}${']'.repeat(25)}}`,
      400,
      'request.invalid',
    ],
    ['a prototype as a field', '{"name":"A","email":"a@b.co","__proto__":{"x":1}}', 400, 'request.invalid'],
    ['a number of a million digits', `{"name":"A","email":"a@b.co","n":${'9'.repeat(100_000)}}`, 400, 'request.invalid'],
    ['a body over the limit', JSON.stringify({ ...ada, note: 'x'.repeat(250_000) }), 413, 'request.too-large'],
    ['a record over the limit', JSON.stringify({ ...ada, note: 'x'.repeat(150_000) }), 400, 'request.invalid'],
  ])('%s', async (_what, body, status, code) => {
    const world = await openWorld();
    const answer = await post(world, '/users', body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(world.kafka.records).toEqual([]);
    expect((await post(world, '/users', ada)).status).toBe(200);
  });

  test.each([
    ['U+0000', '{"name":"A\\u0000","email":"a@b.co"}', 'name'],
    ['a lone surrogate', '{"name":"A","email":"a@b.co","address":{"city":"\\ud83d"}}', 'address.city'],
  ])('text with %s, naming the field', async (_what, body, field) => {
    const world = await openWorld();
    const answer = await post(world, '/users', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ field, code: 'record.unstorable-text' }]);
  });

  test('a key that makes the entity id too long, naming the field', async () => {
    const world = await openWorld();
    const answer = await post(world, '/events/orders', { shop: 'x'.repeat(100), number: 1 });
    expect(answer.body.errors).toMatchObject([{ field: 'shop, number', code: 'record.entity-id-too-long' }]);
  });

  test('fields that are not known, where the configuration refuses them', async () => {
    const world = await openWorld();
    const answer = await post(world, '/events/orders', { shop: 'a', number: 1, totl: 1 });
    expect(answer.body.errors).toEqual([
      { field: 'totl', code: 'unknown', message: 'is not a known field: did you mean `total`?' },
    ]);
  });

  test('a gzip bomb, by what it inflates to', async () => {
    const world = await openWorld();
    const bomb = gzipSync(Buffer.alloc(50_000_000, ' '));
    expect(bomb.length).toBeLessThan(100_000);
    expect((await post(world, '/users', bomb, { 'content-encoding': 'gzip' })).status).toBe(413);
  });

  test('bytes that are not gzip and say they are', async () => {
    const world = await openWorld();
    expect((await post(world, '/users', '{"name":1}', { 'content-encoding': 'gzip' })).body.code).toBe('request.malformed');
  });

  test.each([
    [{ 'content-type': 'text/plain' }, 415],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, 415],
    [{ 'content-encoding': 'zstd-of-ours' }, 415],
    [{ 'x-correlation-id': 'a b' }, 400],
    [{ 'x-correlation-id': 'x'.repeat(129) }, 400],
    [{ 'idempotency-key': 'x'.repeat(256) }, 400],
    [{ 'idempotency-key': 'with space' }, 400],
  ])('headers %j', async (headers, status) => {
    const world = await openWorld();
    const answer = await post(world, '/users', ada, headers);
    expect(answer.status).toBe(status);
    expect(world.kafka.records).toEqual([]);
  });

  test('a body that ends before its length', async () => {
    const world = await openWorld();
    const { hostname, port } = new URL(world.url);
    const broken = httpRequest({
      hostname,
      port,
      method: 'POST',
      path: '/users',
      headers: { 'content-type': 'application/json', 'content-length': 100 },
    });
    broken.on('error', () => undefined);
    broken.write('{"name"');
    await systemClock.sleep(20);
    broken.destroy();
    expect((await post(world, '/users', ada)).status).toBe(200);
    expect(world.kafka.records).toHaveLength(1);
  });

  test('a type nobody configured, naming those there are', async () => {
    const world = await openWorld();
    const answer = await post(world, '/events/toString', {});
    expect(answer.status).toBe(404);
    expect(answer.body.detail).toContain('orders');
  });

  test('a method that is not taken, naming the one that is', async () => {
    const world = await openWorld();
    const response = await fetch(`${world.url}/events/orders`, { method: 'PUT' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    const keyless = await fetch(`${world.url}/events/clicks/1`, { method: 'DELETE' });
    expect([keyless.status, keyless.headers.get('allow')]).toEqual([405, 'POST']);
  });
});

describe('when Kafka is out', () => {
  test('nothing is accepted, and the answer says when to come back', async () => {
    const world = await openWorld();
    world.kafka.behave = () => Promise.reject(new SyncError('kafka.unavailable', 'no broker answers'));
    const answer = await post(world, '/users', ada);
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([503, 'kafka.unavailable', '1']);
  });

  test('a request waits so long and no longer, and what was never sent is not sent later', async () => {
    const world = await openWorld({ acknowledgeMsMax: 100 });
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
    const world = await openWorld({ queuedBytesMax: 3_000, acknowledgeMsMax: 2_000 });
    const { promise: back, resolve: recover } = Promise.withResolvers<void>();
    world.kafka.behave = () => back;
    const waiting = Array.from({ length: 30 }, (_none, at) => post(world, '/users', { name: 'A', email: `a${at}@b.co` }));
    await systemClock.sleep(100);
    recover();
    const codes = (await Promise.all(waiting)).map((answer) => answer.body.code ?? 'accepted');
    expect(codes).toContain('ingest.overloaded');
    expect(world.kafka.records).toHaveLength(codes.filter((code) => code === 'accepted').length);
  });
});

describe('an idempotency key', () => {
  const headers = { 'idempotency-key': 'k-1' };

  test('makes asking twice asking once', async () => {
    const world = await openWorld();
    const first = await post(world, '/events/clicks', { page: '/' }, headers);
    const second = await post(world, '/events/clicks', { page: '/' }, headers);
    expect(second.body.id).toBe(first.body.id);
    expect(world.kafka.records).toHaveLength(1);
  });

  test('sends the same event again after a crash between drawing and Kafka', async () => {
    const world = await openWorld();
    world.kafka.behave = () => Promise.reject(new SyncError('kafka.unavailable', 'out'));
    expect((await post(world, '/events/clicks', [{ page: '/' }, { page: '/2' }], headers)).status).toBe(503);
    const drawn = [...world.store.requests.values()][0]?.drawn;
    world.kafka.behave = async () => undefined;
    const again = await post(world, '/events/clicks', [{ page: '/' }, { page: '/2' }], headers);
    expect(world.kafka.events.map((event) => event.position)).toEqual(drawn?.map((draw) => draw.position));
    expect(world.kafka.events.map((event) => event.eventId)).toEqual(again.body.ids);
  });

  test('with another body is refused', async () => {
    const world = await openWorld();
    await post(world, '/events/clicks', { page: '/' }, headers);
    const answer = await post(world, '/events/clicks', { page: '/other' }, headers);
    expect([answer.status, answer.body.code]).toEqual([422, 'request.idempotency-mismatch']);
    expect(world.kafka.records).toHaveLength(1);
  });

  test('is not bound to a request that was at fault', async () => {
    const world = await openWorld();
    expect((await post(world, '/users', { name: '\u0000', email: 'a@b.co' }, headers)).status).toBe(400);
    expect((await post(world, '/users', ada, headers)).status).toBe(200);
  });

  test('asked twice at once gives one id', async () => {
    const world = await openWorld();
    const answers = await Promise.all(Array.from({ length: 10 }, () => post(world, '/events/clicks', { page: '/' }, headers)));
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(new Set(world.kafka.events.map((event) => event.eventId)).size).toBe(1);
  });
});
