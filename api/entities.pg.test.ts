import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEntityStore } from '../adapters/postgres/entity-store.ts';
import { createReadStore } from '../adapters/postgres/read-store.ts';
import type { JsonObject } from '../core/json.ts';
import { type ApiWorld, openApiWorld } from '../tests/api-world.ts';
import { policyOf } from '../tests/conflict-world.ts';
import { HistoryWorld } from '../tests/history-world.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';

const policy = policyOf({ ranking: ['erp', 'shop'], fields: { price: 'manual', title: 'manual' } });
const sources = ['erp', 'shop'].map((name) => ({ name, type: name.toUpperCase() }));

let database: TestDatabase;
let world: HistoryWorld;
let api: ApiWorld;

beforeAll(async () => {
  database = await openTestDatabase(6);
  world = new HistoryWorld(database.pool, policy);
  api = await openApiWorld({
    readStore: createReadStore(database.pool),
    entityStore: createEntityStore(database.pool),
    answers: world.answers,
    kinds: new Map([['product', { policy, sources }]]),
  });
});
afterAll(async () => {
  await api.close();
  await database.close();
});

const get = (path: string) => api.ask('GET', path, undefined, 'viewer');
const resolve = (id: string, ruling: unknown) =>
  api.ask('POST', `/api/conflicts/${id}/resolve`, typeof ruling === 'string' ? ruling : JSON.stringify(ruling));
const entityPath = (key: string) => `/api/entities/${encodeURIComponent(`product:${key}`)}`;

/** Two sources that change two fields without knowing of each other. */
async function openConflict(key: string): Promise<string> {
  await world.change('ERP', key, { title: 'Cup', price: 5, stock: 1 });
  await world.change('SHOP', key, { title: 'Cup', price: 5, stock: 1 });
  await world.change('ERP', key, { title: 'Mug', price: 6, stock: 1 });
  await world.change('SHOP', key, { title: 'Bowl', price: 7, stock: 1 });
  const { body } = await get(`/api/conflicts?status=open&entity_id=${encodeURIComponent(`product:${key}`)}`);
  expect(body.items).toHaveLength(1);
  return body.items[0].conflictId;
}

async function goldenOf(key: string): Promise<JsonObject> {
  return (await get(entityPath(key))).body.golden.data;
}

describe('conflicts', () => {
  test('an open conflict is listed with its sides by every filter, and shown by its id', async () => {
    const id = await openConflict('list');
    for (const filter of ['kind=product', 'type=concurrent-update', 'source=shop', 'resolution=manual']) {
      const { body } = await get(`/api/conflicts?entity_id=product:list&status=open&${filter}`);
      expect(body.items, filter).toMatchObject([{ conflictId: id, fields: ['price', 'title'], status: 'open' }]);
    }
    expect((await get('/api/conflicts?entity_id=product:list&kind=order')).body.items).toEqual([]);
    const { body } = await get(`/api/conflicts/${id}`);
    expect(body.details.fields.price.sides).toMatchObject([
      { source: 'ERP', value: 6 },
      { source: 'SHOP', value: 7 },
    ]);
    expect((await get('/api/conflicts/01a1fca6-862b-8f36-bca4-7e1bcec98a41')).status).toBe(404);
  });

  test('new values become the golden record, with every digit and the name of who decided', async () => {
    const id = await openConflict('values');
    const answered = await resolve(id, '{"fields": {"price": 12345678901234567.891, "title": "Jug"}}');
    expect(answered).toMatchObject({ status: 202, body: { conflictId: id } });
    await world.takeAnswers();
    expect((await get(entityPath('values'))).text).toContain('"price":12345678901234567.891');
    const event = await database.pool.query('SELECT data, source_type FROM source_events WHERE event_id = $1', [
      answered.body.eventId,
    ]);
    expect(event.rows).toMatchObject([
      { source_type: 'OPERATOR', data: { by: expect.stringMatching(/^ann the operator \(.+\)$/), conflictId: id } },
    ]);
    expect((await get(`/api/conflicts/${id}`)).body).toMatchObject({ status: 'resolved', resolution: 'operator' });
  });

  test('one side is chosen for all fields, or field by field, by its name or its type', async () => {
    const [one, two] = [await openConflict('side'), await openConflict('sides')];
    expect((await resolve(one, { choose: 'shop' })).status).toBe(202);
    expect((await resolve(two, { choose: { price: 'SHOP', title: 'erp' } })).status).toBe(202);
    await world.takeAnswers();
    expect(await goldenOf('side')).toEqual({ title: 'Bowl', price: 7, stock: 1 });
    expect(await goldenOf('sides')).toEqual({ title: 'Mug', price: 7, stock: 1 });
  });

  test('a side that lacks the field takes it away', async () => {
    await world.change('ERP', 'absent', { title: 'Cup', price: 5 });
    await world.change('SHOP', 'absent', { title: 'Cup', price: 5 });
    await world.change('ERP', 'absent', { title: 'Cup', price: 6 });
    await world.change('SHOP', 'absent', { title: 'Cup' });
    const { body } = await get('/api/conflicts?status=open&entity_id=product:absent');
    expect((await resolve(body.items[0].conflictId, { choose: 'SHOP' })).status).toBe(202);
    await world.takeAnswers();
    expect(await goldenOf('absent')).toEqual({ title: 'Cup' });
  });

  test('what is left out stays open, and can be decided later', async () => {
    const id = await openConflict('partly');
    await resolve(id, { fields: { price: 9 } });
    await world.takeAnswers();
    expect((await get(`/api/conflicts/${id}`)).body).toMatchObject({
      status: 'open',
      details: { fields: { price: { status: 'resolved' }, title: { status: 'open' } } },
    });
    expect((await resolve(id, { fields: { price: 1 } })).body.errors).toMatchObject([{ field: 'fields.price', code: 'closed' }]);
    await resolve(id, { fields: { title: 'Jug' } });
    await world.takeAnswers();
    expect(await goldenOf('partly')).toEqual({ title: 'Jug', price: 9, stock: 1 });
  });

  test('skipping leaves the golden record and closes the conflict', async () => {
    const id = await openConflict('skip');
    await resolve(id, { skip: true });
    await world.takeAnswers();
    expect((await get(`/api/conflicts/${id}`)).body.status).toBe('skipped');
    expect(await goldenOf('skip')).toEqual({ title: 'Mug', price: 6, stock: 1 });
  });

  test('of two decisions the first holds', async () => {
    const id = await openConflict('twice');
    await resolve(id, { choose: 'ERP' });
    expect((await resolve(id, { choose: 'SHOP' })).status).toBe(202);
    await world.takeAnswers();
    expect(await goldenOf('twice')).toEqual({ title: 'Mug', price: 6, stock: 1 });
    expect(await resolve(id, { choose: 'SHOP' })).toMatchObject({ status: 409, body: { code: 'conflict.closed' } });
    const events = await database.pool.query(
      `SELECT status FROM source_events WHERE entity_id = 'product:twice' AND source_type = 'OPERATOR' ORDER BY received_at`,
    );
    expect(events.rows).toEqual([{ status: 'applied' }, { status: 'unchanged' }]);
  });

  test('a decision on a conflict that has moved since is refused where its time is given', async () => {
    const id = await openConflict('moved');
    const { updatedAt } = (await get(`/api/conflicts/${id}`)).body;
    await world.change('SHOP', 'moved', { title: 'Bowl', price: 8, stock: 1 });
    expect(await resolve(id, { choose: 'SHOP', updatedAt })).toMatchObject({ status: 409, body: { code: 'request.conflict' } });
    const moved = (await get(`/api/conflicts/${id}`)).body;
    expect((await resolve(id, { choose: 'SHOP', updatedAt: moved.updatedAt })).status).toBe(202);
    await world.takeAnswers();
    expect(await goldenOf('moved')).toMatchObject({ price: 8 });
  });

  test('every field at fault is named, and nothing is sent', async () => {
    const id = await openConflict('faults');
    const refused = async (ruling: unknown) => {
      const { status, body } = await resolve(id, ruling);
      return [status, body.errors?.map(({ field, code }: { field: string; code: string }) => `${field} ${code}`)];
    };
    expect(await refused({ fields: { a: 1, price: 2, b: 3 } })).toEqual([400, ['fields.a unknown', 'fields.b unknown']]);
    expect(await refused({ choose: 'WOO' })).toEqual([400, ['choose unknown', 'choose unknown']]);
    expect(await refused({ choose: { price: 'WOO', size: 'ERP' } })).toEqual([
      400,
      ['choose.price unknown', 'choose.size unknown'],
    ]);
    for (const ruling of [{}, { fields: {} }, { choose: {} }, { skip: false }, { skip: true, choose: 'ERP' }, { nonsense: 1 }]) {
      expect((await refused(ruling))[0], JSON.stringify(ruling)).toBe(400);
    }
    expect((await resolve(id, '{"fields": {"title": "\\u0000"}}')).body.code).toBe('record.unstorable-text');
    expect((await resolve(id, '{"fields": ')).body.code).toBe('request.malformed');
    expect(world.sent).toEqual([]);
    expect((await resolve('01a1fca6-862b-8f36-bca4-7e1bcec98a41', { skip: true })).status).toBe(404);
    expect((await api.ask('POST', `/api/conflicts/${id}/resolve`, '{"skip":true}', 'viewer')).status).toBe(403);
  });

  test('whether a record exists is decided by true or false', async () => {
    const keep = new HistoryWorld(database.pool, policyOf({ deleteConflict: 'manual' }));
    await keep.change('ERP', 'exists', { price: 5 });
    await keep.change('SHOP', 'exists', { price: 5 });
    await keep.change('ERP', 'exists', null);
    await keep.change('SHOP', 'exists', { price: 6 });
    const { body } = await get('/api/conflicts?status=open&entity_id=product:exists');
    const id = body.items[0].conflictId;
    expect((await resolve(id, { fields: { deleted: 'no' } })).body.errors).toMatchObject([{ field: 'fields.deleted' }]);
    expect((await resolve(id, { fields: { deleted: true } })).status).toBe(202);
    world.sent.length = 0;
  });
});

describe('an entity', () => {
  test('is shown with its golden record, what each source says, and its open conflicts', async () => {
    const id = await openConflict('shown');
    const { body } = await get(entityPath('shown'));
    expect(body).toMatchObject({
      entityId: 'product:shown',
      kind: 'product',
      golden: { data: { title: 'Mug', price: 6, stock: 1 }, status: 'conflict' },
      openConflicts: [{ conflictId: id }],
    });
    expect(body.sources.map(({ sourceType }: { sourceType: string }) => sourceType)).toEqual(['ERP', 'SHOP']);
  });

  test('is found whatever its key holds', async () => {
    for (const key of ['a/b', 'ключ ü', 'a:b?c=d&e#f', '100%', '%2F', '..', '"\\', '😀']) {
      await world.change('ERP', key, { title: key });
      expect((await get(entityPath(key))).body.entityId, key).toBe(`product:${key}`);
      expect((await get(`${entityPath(key)}/history`)).body.items, key).toHaveLength(1);
      expect((await get(`${entityPath(key)}/explain`)).body.fields, key).toMatchObject([{ field: 'title', value: key }]);
    }
    expect((await get('/api/entities/product%3Anothing')).status).toBe(404);
    expect((await get('/api/entities/product%3Anothing/history')).status).toBe(404);
    expect((await get('/api/entities/product%3Anothing/explain')).status).toBe(404);
    expect((await get('/api/entities/%E0%A4%A')).status).toBe(400);
  });

  test('has a history of every version, page by page, the latest first', async () => {
    for (let stock = 1; stock <= 7; stock++) await world.change('ERP', 'history', { stock });
    const seen: unknown[] = [];
    let cursor = '';
    do {
      const { body } = await get(`${entityPath('history')}/history?limit=3${cursor}`);
      seen.push(...body.items.map(({ version, data }: { version: number; data: JsonObject }) => [version, data.stock]));
      cursor = body.next === null ? '' : `&cursor=${body.next}`;
    } while (cursor !== '');
    expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1].map((n) => [n, n]));
  });

  test('is seen as it was at a version or a time, deleted or not', async () => {
    const key = 'travel';
    const first = await world.change('ERP', key, { price: 1, title: 'Cup' });
    await world.change('SHOP', key, { price: 1, title: 'Cup' });
    const merged = await world.change('SHOP', key, { price: 2, title: 'Cup' });
    await world.change('ERP', key, { price: 1, title: 'Mug' });
    const gone = await world.change('ERP', key, null);
    await world.change('SHOP', key, null);
    const at = async (point: string | number) => {
      const { body } = await get(`${entityPath(key)}/history?at=${encodeURIComponent(point)}`);
      return body.items.map((item: JsonObject) => [item.version, item.deleted, item.data]);
    };
    expect(await at(2)).toEqual([[2, false, { price: 2, title: 'Cup' }]]);
    expect(await at(99)).toEqual([[5, true, null]]);
    expect(await at(merged.occurredAt)).toEqual([[2, false, { price: 2, title: 'Cup' }]]);
    const justBefore = new Date(gone.receivedAtMs - 1).toISOString();
    expect(await at(justBefore)).toEqual([[3, false, { price: 2, title: 'Mug' }]]);
    expect(await at(new Date(first.receivedAtMs - 1).toISOString())).toEqual([]);
    expect((await get(`${entityPath(key)}/history?at=yesterday`)).status).toBe(400);
  });

  test('says of each field which event of which source gave it its value, by which rule, and what that overrode', async () => {
    const key = 'why';
    await world.change('ERP', key, { color: 'red', size: 1 });
    const found = await world.change('SHOP', key, { color: 'red', size: 1 });
    const won = await world.change('ERP', key, { color: 'blue', size: 1 });
    const lost = await world.change('SHOP', key, { color: 'green', size: 1, note: 'x' });
    const { body } = await get(`${entityPath(key)}/explain`);
    const color = {
      field: 'color',
      value: 'blue',
      source: 'ERP',
      eventId: won.eventId,
      at: '2026-01-01T',
      rule: 'priority',
      overrode: [{ source: 'SHOP', value: 'green', eventId: lost.eventId }],
    };
    expect(body.fields[0]).toMatchObject({ ...color, at: expect.stringContaining(color.at) });
    expect(body.fields[1]).toMatchObject({
      field: 'note',
      source: 'SHOP',
      eventId: lost.eventId,
      rule: 'only_source',
      overrode: [],
    });
    expect(body.fields[2]).toMatchObject({ field: 'size', rule: 'agreed', overrode: [] });
    expect(found.eventId).not.toBe(lost.eventId);
    const one = await get(`${entityPath(key)}/explain?field=note`);
    expect(one.body.fields).toHaveLength(1);
  });

  test('of one source alone names the event that brought each field its value, not the latest', async () => {
    const alone = new HistoryWorld(database.pool, policy, false);
    const first = await alone.change('ERP', 'alone', { title: 'Cup', price: 1 });
    const second = await alone.change('ERP', 'alone', { title: 'Cup', price: 2 });
    await alone.change('ERP', 'alone', { title: 'Cup', price: 2, size: 3 });
    const { body } = await get(`${entityPath('alone')}/explain`);
    expect(body.fields.map(({ field, eventId }: JsonObject) => [field, eventId])).toMatchObject([
      ['price', second.eventId],
      ['size', expect.any(String)],
      ['title', first.eventId],
    ]);
  });
});

describe('what if', () => {
  const whatIf = (body: unknown, role: 'viewer' | 'operator' = 'operator') =>
    api.ask('POST', '/api/what-if', JSON.stringify(body), role);

  test('another policy had held, is answered with what would differ', async () => {
    await openConflict('what-if');
    const body = { kind: 'product', policy: { ranking: ['shop', 'erp'] }, entityIds: ['product:what-if'] };
    expect(await whatIf(body)).toMatchObject({
      status: 200,
      body: {
        entities: 1,
        differ: 1,
        byRule: { priority: 2 },
        openConflicts: { was: 1, wouldBe: 0 },
        examples: [{ entityId: 'product:what-if', fields: { price: { was: 6, wouldBe: 7, source: 'SHOP' } } }],
        endedBy: null,
      },
    });
    expect((await whatIf(body, 'viewer')).status).toBe(403);
  });

  test.each([
    [{ fields: { price: 'highest' } }, 'policy.fields.price'],
    [{ fields: { price: 'priority' } }, 'policy.fields.price'],
    [{ deletions: 'never' }, 'policy.deletions'],
    [{ ranking: ['shopp'] }, 'policy.ranking'],
    [{ rankings: [] }, 'rankings'],
  ])('the policy %j is refused by the name of the rule at fault', async (policy, field) => {
    expect(await whatIf({ kind: 'product', policy })).toMatchObject({ status: 400, body: { errors: [{ field }] } });
  });
});
