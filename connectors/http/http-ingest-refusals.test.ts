import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import { ada, openIngestWorld, post } from '../../tests/ingest-world.ts';

describe('what is refused', () => {
  test('every field at fault is named at once', async () => {
    const world = await openIngestWorld();
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
    const world = await openIngestWorld();
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
    const world = await openIngestWorld();
    const answer = await post(world, '/users', body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(world.kafka.records).toEqual([]);
    expect((await post(world, '/users', ada)).status).toBe(200);
  });

  test.each([
    ['U+0000', '{"name":"A\\u0000","email":"a@b.co"}', 'name'],
    ['a lone surrogate', '{"name":"A","email":"a@b.co","address":{"city":"\\ud83d"}}', 'address.city'],
  ])('text with %s, naming the field', async (_what, body, field) => {
    const world = await openIngestWorld();
    const answer = await post(world, '/users', body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ field, code: 'record.unstorable-text' }]);
  });

  test('a key that makes the entity id too long, naming the field', async () => {
    const world = await openIngestWorld();
    const answer = await post(world, '/events/orders', { shop: 'x'.repeat(100), number: 1 });
    expect(answer.body.errors).toMatchObject([{ field: 'shop, number', code: 'record.entity-id-too-long' }]);
  });

  test('fields that are not known, where the configuration refuses them', async () => {
    const world = await openIngestWorld();
    const answer = await post(world, '/events/orders', { shop: 'a', number: 1, totl: 1 });
    expect(answer.body.errors).toEqual([
      { field: 'totl', code: 'unknown', message: 'is not a known field: did you mean `total`?' },
    ]);
  });

  test('a gzip bomb, by what it inflates to', async () => {
    const world = await openIngestWorld();
    const bomb = gzipSync(Buffer.alloc(50_000_000, ' '));
    expect(bomb.length).toBeLessThan(100_000);
    expect((await post(world, '/users', bomb, { 'content-encoding': 'gzip' })).status).toBe(413);
  });

  test('bytes that are not gzip and say they are', async () => {
    const world = await openIngestWorld();
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
    const world = await openIngestWorld();
    const answer = await post(world, '/users', ada, headers);
    expect(answer.status).toBe(status);
    expect(world.kafka.records).toEqual([]);
  });

  test('a body that ends before its length', async () => {
    const world = await openIngestWorld();
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
    const world = await openIngestWorld();
    const answer = await post(world, '/events/toString', {});
    expect(answer.status).toBe(404);
    expect(answer.body.detail).toContain('orders');
  });

  test('a method that is not taken, naming the one that is', async () => {
    const world = await openIngestWorld();
    const response = await fetch(`${world.url}/events/orders`, { method: 'PUT' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    const keyless = await fetch(`${world.url}/events/clicks/1`, { method: 'DELETE' });
    expect([keyless.status, keyless.headers.get('allow')]).toEqual([405, 'POST']);
  });
});
