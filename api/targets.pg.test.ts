import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createReadStore } from '../adapters/postgres/read-store.ts';
import { createSourceDesk } from '../adapters/postgres/source-desk.ts';
import { createTargetDesk } from '../adapters/postgres/target-desk.ts';
import { createTargetStore } from '../adapters/postgres/target-store.ts';
import { systemClock } from '../adapters/process/clock.ts';
import { parseConfig } from '../core/config/config.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { TargetLease } from '../core/ports/target-store.ts';
import { type ApiWorld, openApiWorld, patientApi } from '../tests/api-world.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';

const nowMs = Date.parse('2026-03-01T12:00:00Z');
const nobody = '01a1fca6-862b-8f36-bca4-7e1bcec98a41';
const entities = { product: { table: 'stock.products', key: 'sku' } };

let database: TestDatabase;
let store: ReturnType<typeof createTargetStore>;
let api: ApiWorld;
const leases = new Map<string, TargetLease>();

beforeAll(async () => {
  database = await openTestDatabase(6);
  store = createTargetStore(database.pool);
  for (const target of ['crm', 'letters'])
    leases.set(target, await store.acquire(target, { topic: 'resolved.product', partition: 0 }));
  api = await openApiWorld({
    config: parseConfig({
      api: patientApi,
      sources: { shop: { connector: 'http', entities: { product: {} } } },
      targets: {
        crm: { connector: 'postgres', url: 'postgres://u:secret@h/crm', entities },
        letters: { connector: 'postgres', url: 'postgres://h/l', guard: { windowMs: '3h' }, entities },
      },
    }),
    clock: { ...systemClock, nowMs: () => nowMs },
    readStore: createReadStore(database.pool),
    targetDesk: createTargetDesk(database.pool),
    sourceDesk: createSourceDesk(database.pool),
  });
});
afterAll(async () => {
  await api.close();
  await database.close();
});
beforeEach(() => database.pool.query('TRUNCATE conflict_log, target_letters, target_guard, target_state'));

const get = (path: string) => api.ask('GET', path, undefined, 'viewer');
const post = (path: string, body?: object) => api.ask('POST', path, body);
const replay = (id: string) => post(`/api/targets/letters/${id}/replay`);
const keysOf = (items: readonly { key: string }[]) => items.map(({ key }) => key).sort();

/** A target refuses records by these keys; the ids of the letters. */
async function refuse(target: string, refused: readonly string[], code: ErrorCode = 'target.rejected'): Promise<string[]> {
  const letters = refused.map((key) => ({
    entityId: `product:${key}` as never,
    targetType: 'CRM',
    kind: 'product',
    key,
    version: 3,
    code,
    reason: 'crm_stock_check',
    details: { columns: ['stock'] },
  }));
  const state = { version: 3, intended: null, checksum: null, flips: 2, frozen: code === 'target.flapping' };
  const states = letters.map(({ entityId, kind, key }) => ({ ...state, entityId, kind, key }));
  const counts = { known: 9, changed: 4, deleted: 2 };
  await store.settle(leases.get(target)!, { written: [], closed: [], assured: [], states, letters, reached: [], counts }, 1_000);
  const { body } = await get(`/api/targets/letters?target=${target}&limit=500`);
  return refused.map((key) => body.items.find((letter: { key: string }) => letter.key === key).id);
}

describe('targets', () => {
  test('every configured target is listed with its guard and its letters, also one that was never written to', async () => {
    const [id] = await refuse('crm', ['A', 'B', 'C']);
    await replay(id!);
    await store.pause('crm', '40 of 100 records would be deleted');
    const { body, text } = await get('/api/targets');
    expect(body.targets).toEqual([
      {
        name: 'crm',
        connector: 'postgres',
        kinds: ['product'],
        guard: {
          state: 'paused',
          reason: '40 of 100 records would be deleted',
          known: 9,
          changed: 4,
          deleted: 2,
          windowFrom: expect.stringMatching(/^20\d\d-.*Z$/),
          approvedUntil: null,
        },
        letters: { parked: 2, replaying: 1 },
      },
      {
        name: 'letters',
        connector: 'postgres',
        kinds: ['product'],
        guard: { state: 'running', reason: null, known: 0, changed: 0, deleted: 0, windowFrom: null, approvedUntil: null },
        letters: { parked: 0, replaying: 0 },
      },
    ]);
    expect(text).not.toContain('secret');
  });

  test('an approval lets a paused target go on for an hour, and the name of who gave it is kept', async () => {
    await refuse('crm', ['A']);
    await store.pause('crm', 'too much');
    const { status, body } = await post('/api/targets/crm/approve');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      name: 'crm',
      guard: { state: 'running', reason: null, changed: 0, deleted: 0, approvedUntil: '2026-03-01T13:00:00.000Z' },
      letters: { parked: 1 },
    });
    expect(await store.guard('crm')).toMatchObject({ state: 'running', approvedUntilMs: nowMs + 3_600_000 });
    const { rows } = await database.pool.query('SELECT target, approved_by FROM target_guard');
    expect(rows).toEqual([{ target: 'crm', approved_by: expect.stringMatching(/^ann the operator \(.+\)$/) }]);
  });

  test('what was approved never counts when the approval ends: it lasts as long as the window of the guard', async () => {
    await store.pause('letters', 'too much');
    expect((await post('/api/targets/letters/approve')).body.guard.approvedUntil).toBe('2026-03-01T15:00:00.000Z');
  });

  test('an approval is refused where there is nothing to approve, no such target, or no right to', async () => {
    expect(await post('/api/targets/crm/approve')).toMatchObject({ status: 409, body: { code: 'request.conflict' } });
    await store.pause('gone', 'a target that is configured no more');
    for (const name of ['gone', 'toString', '__proto__', '%F0%9F%98%80', "'--"])
      expect((await post(`/api/targets/${name}/approve`)).status, name).toBe(404);
    await store.pause('crm', 'too much');
    expect((await api.ask('POST', '/api/targets/crm/approve', undefined, 'viewer')).status).toBe(403);
    expect((await store.guard('crm')).state).toBe('paused');
  });
});

describe('letters of targets', () => {
  test('a letter is found by every filter, and shown by its id', async () => {
    const [id] = await refuse('crm', ['A']);
    await refuse('letters', ['B'], 'target.flapping');
    for (const filter of ['target=crm', 'code=target.rejected', 'entity_id=product:A']) {
      const { body } = await get(`/api/targets/letters?status=parked&kind=product&${filter}`);
      expect(keysOf(body.items), filter).toEqual(['A']);
    }
    for (const filter of ['kind=order', 'status=applied', 'target=letters&entity_id=product:A'])
      expect((await get(`/api/targets/letters?${filter}`)).body.items, filter).toEqual([]);
    expect((await get(`/api/targets/letters/${id}`)).body).toEqual({
      id,
      target: 'crm',
      entityId: 'product:A',
      kind: 'product',
      key: 'A',
      version: 3,
      code: 'target.rejected',
      reason: 'crm_stock_check',
      details: { columns: ['stock'] },
      status: 'parked',
      attempts: 1,
      failedAt: expect.stringMatching(/^20\d\d-.*Z$/),
    });
    expect((await get(`/api/targets/letters/${nobody}`)).body).toMatchObject({ status: 404, code: 'request.not-found' });
    expect((await get('/api/targets/letters/x')).status).toBe(400);
  });

  test('what a target refuses is a conflict, open as long as the letter, that no choice of sides decides', async () => {
    const [id] = await refuse('crm', ['A']);
    const conflicts = async () => (await get('/api/conflicts?type=constraint-violation&source=crm')).body.items;
    const [conflict] = await conflicts();
    expect(conflict).toMatchObject({
      entityId: 'product:A',
      status: 'open',
      details: { target: 'crm', letter: id, reason: 'crm_stock_check' },
    });
    const { body } = await post(`/api/conflicts/${conflict.conflictId}/resolve`, { skip: true });
    expect(body).toMatchObject({ status: 409, detail: expect.stringContaining(`syncline targets replay ${id}`) });
    await post(`/api/targets/letters/${id}/discard`, { reason: 'a test' });
    expect(await conflicts()).toMatchObject([{ conflictId: conflict.conflictId, status: 'skipped' }]);
    await refuse('crm', ['A']);
    expect((await conflicts()).map(({ status }: { status: string }) => status).sort()).toEqual(['open', 'skipped']);
  });

  test('pages show every letter once, those of one moment as well', async () => {
    await refuse('crm', ['A', 'B', 'C', 'D', 'E', 'F', 'G']);
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await get(`/api/targets/letters?limit=3${cursor}`);
      seen.push(...body.items.map(({ key }: { key: string }) => key));
      cursor = body.next === null ? '' : `&cursor=${body.next}`;
    } while (cursor !== '');
    expect(seen.sort()).toEqual(['A', 'B', 'C', 'D', 'E', 'F', 'G']);
  });

  test('one is replayed and thawed, twice without harm, and not once it was discarded', async () => {
    const [id, other] = await refuse('crm', ['A', 'B'], 'target.flapping');
    for (let time = 0; time < 2; time++)
      expect(await replay(id!)).toMatchObject({ status: 202, body: { id, status: 'replaying' } });
    expect(await store.replaying(leases.get('crm')!, 10)).toEqual(['product:A']);
    const { rows } = await database.pool.query('SELECT key, frozen FROM target_state ORDER BY key');
    expect(rows).toEqual([
      { key: 'A', frozen: false },
      { key: 'B', frozen: true },
    ]);
    expect((await post(`/api/targets/letters/${other}/discard`, { reason: 'a test' })).body).toMatchObject({
      status: 'discarded',
      details: { columns: ['stock'], discardedBy: expect.stringMatching(/^ann the operator \(.+\)$/), discardReason: 'a test' },
    });
    expect(await replay(other!)).toMatchObject({ status: 409, body: { code: 'request.conflict' } });
  });

  test('one is discarded once, with a reason, by an operator', async () => {
    const [id] = await refuse('crm', ['A']);
    const path = `/api/targets/letters/${id}/discard`;
    expect((await post(path, {})).status).toBe(400);
    expect((await api.ask('POST', path, { reason: 'mine' }, 'viewer')).status).toBe(403);
    expect((await get(`/api/targets/letters/${id}`)).body.status).toBe('parked');
    expect((await post(path, { reason: 'a test' })).status).toBe(200);
    expect(await post(path, { reason: 'again' })).toMatchObject({ status: 409, body: { code: 'request.conflict' } });
    for (const action of ['replay', 'discard'])
      expect((await post(`/api/targets/letters/${nobody}/${action}`, { reason: 'r' })).status).toBe(404);
  });

  test('many are replayed by a filter, so many as asked, and no others', async () => {
    await refuse('crm', ['A', 'B', 'C']);
    await refuse('letters', ['A', 'D']);
    const many = (filter: object) => post('/api/targets/letters/replay', filter);
    expect((await many({ code: 'target.flapping' })).body).toEqual({ replayed: 0, remaining: 0 });
    expect((await many({ target: 'letters', entityId: 'product:A' })).body).toEqual({ replayed: 1, remaining: 0 });
    expect(await many({ target: 'crm', limit: 2 })).toMatchObject({ status: 202, body: { replayed: 2, remaining: 1 } });
    const { body } = await get('/api/targets/letters?target=letters&status=parked');
    expect(keysOf(body.items)).toEqual(['D']);
    for (const filter of [{ limit: 0 }, { limit: 1e9 }, { limit: '10' }, { everything: true }, { target: 'a\0' }])
      expect((await many(filter)).status, JSON.stringify(filter)).toBe(400);
  });
});
