import { afterAll, beforeAll, expect, test } from 'vitest';
import { createVerificationDesk } from '../adapters/postgres/verification-desk.ts';
import { parseConfig } from '../core/config/config.ts';
import { type ApiWorld, openApiWorld, patientApi } from '../tests/api-world.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';

let database: TestDatabase;
let api: ApiWorld;
const nobody = '01a1fca6-862b-4f36-bca4-7e1bcec98a41';

beforeAll(async () => {
  database = await openTestDatabase(6);
  api = await openApiWorld({
    config: parseConfig({
      api: patientApi,
      sources: { shop: { connector: 'http', entities: { products: { key: 'sku' }, orders: { key: 'number' } } } },
    }),
    verificationDesk: createVerificationDesk(database.pool),
  });
});
afterAll(async () => {
  await api.close();
  await database.close();
});

test('a verification is asked for by those who may, of what there is, and shown to everybody', async () => {
  expect((await api.ask('POST', '/api/verifications', {}, 'viewer')).status).toBe(403);
  const wrong = await api.ask('POST', '/api/verifications', { systems: ['shop', 'crm'] });
  expect(wrong).toMatchObject({
    status: 400,
    body: { errors: [{ field: 'systems', message: expect.stringContaining('shop, tables') }] },
  });
  expect((await api.ask('POST', '/api/verifications', { kinds: ['users'] })).status).toBe(400);
  const asked = await api.ask('POST', '/api/verifications', {
    systems: ['shop', 'tables'],
    kinds: ['orders'],
    settleSeconds: 0.5,
  });
  expect(asked).toMatchObject({
    status: 202,
    body: {
      state: 'waiting',
      systems: ['shop', 'tables'],
      kinds: ['orders'],
      settleMs: 500,
      askedBy: expect.stringMatching(/^ann the operator \(/),
    },
  });
  expect(await api.ask('GET', `/api/verifications/${asked.body.id}`, undefined, 'viewer')).toMatchObject({
    status: 200,
    body: { parts: [] },
  });
  const list = await api.ask('GET', '/api/verifications?limit=1', undefined, 'viewer');
  expect(list.body).toMatchObject({ items: [{ id: asked.body.id }], next: null });
});

test('what is not there is not found, and what waits can be cancelled once', async () => {
  for (const path of [`/api/verifications/${nobody}`, `/api/verifications/${nobody}/findings`, `/api/repairs/${nobody}/items`]) {
    expect((await api.ask('GET', path)).status).toBe(404);
  }
  const { body } = await api.ask('POST', '/api/verifications', {});
  expect(await api.ask('POST', `/api/verifications/${body.id}/cancel`)).toMatchObject({
    status: 200,
    body: { state: 'cancelled' },
  });
  expect((await api.ask('POST', `/api/verifications/${body.id}/cancel`)).status).toBe(409);
});

test('findings come page by page, each once, by system, kind and state', async () => {
  const { body } = await api.ask('POST', '/api/verifications', {});
  await database.pool.query(
    `INSERT INTO verification_findings (verification_id, system, kind, subject, key, state, finding, fields, here, there)
     SELECT $1, CASE WHEN n % 2 = 0 THEN 'crm' ELSE 'erp' END, 'products', 'K' || n, 'K' || n, CASE WHEN n > 8 THEN 'moving' ELSE 'found' END,
       'differs', '{stock}', repeat('0', 64), repeat('1', 64) FROM generate_series(1, 10) AS n`,
    [body.id],
  );
  const seen: string[] = [];
  let cursor = '';
  do {
    const page = await api.ask('GET', `/api/verifications/${body.id}/findings?limit=3${cursor}`);
    seen.push(...page.body.items.map(({ key }: { key: string }) => key as string));
    cursor = page.body.next === null ? '' : `&cursor=${page.body.next}`;
  } while (cursor !== '');
  expect(seen).toEqual(Array.from({ length: 10 }, (_none, n) => `K${n + 1}`));
  const some = await api.ask('GET', `/api/verifications/${body.id}/findings?system=crm&state=found&finding=differs`);
  expect(some.body.items.map(({ key }: { key: string }) => key)).toEqual(['K2', 'K4', 'K6', 'K8']);
});

test('a repair is of a verification that ended, by default of the last one, and a dry run unless said otherwise', async () => {
  const { body } = await api.ask('POST', '/api/verifications', {});
  expect((await api.ask('POST', '/api/repairs', { verification: body.id })).status).toBe(409);
  expect((await api.ask('POST', '/api/repairs', { verification: nobody })).status).toBe(404);
  expect((await api.ask('POST', '/api/repairs', {})).status).toBe(404);
  await database.pool.query(`UPDATE verifications SET state = 'differs' WHERE id = $1`, [body.id]);
  const repair = await api.ask('POST', '/api/repairs', {});
  expect(repair).toMatchObject({
    status: 202,
    body: { verificationId: body.id, dryRun: true, deleteUnknown: false, state: 'waiting', outcomes: { planned: 0, equal: 0 } },
  });
  await database.pool.query(
    `INSERT INTO repair_items (repair_id, system, kind, subject, key, finding, action, outcome) VALUES ($1, 'crm', 'products', 'A', 'A', 'differs', 'write', 'planned')`,
    [repair.body.id],
  );
  expect((await api.ask('GET', `/api/repairs/${repair.body.id}`)).body).toMatchObject({ outcomes: { planned: 1, left: 0 } });
  expect((await api.ask('GET', `/api/repairs/${repair.body.id}/items`)).body.items).toMatchObject([
    { key: 'A', action: 'write' },
  ]);
  expect((await api.ask('GET', '/api/repairs', undefined, 'viewer')).body.items).toMatchObject([{ id: repair.body.id }]);
});

test('up to when each system was equal is told to the second and below', async () => {
  await database.pool.query(
    `INSERT INTO verified_through VALUES ('crm', 'products', '2026-03-01T12:00:00.123456Z', 0, 0, '2026-03-01T12:00:00.123456Z'),
       ('erp', 'products', NULL, 3, 1, '2026-03-02T12:00:00Z')`,
  );
  expect((await api.ask('GET', '/api/verifications/through', undefined, 'viewer')).body).toEqual({
    verified: [
      {
        system: 'crm',
        kind: 'products',
        through: '2026-03-01T12:00:00.123456Z',
        findings: 0,
        moving: 0,
        checkedAt: '2026-03-01T12:00:00.123456Z',
      },
      { system: 'erp', kind: 'products', through: null, findings: 3, moving: 1, checkedAt: '2026-03-02T12:00:00.000000Z' },
    ],
  });
});

test('no more than a few may wait', async () => {
  let status = 202;
  for (let asked = 0; status === 202 && asked < 100; asked++) ({ status } = await api.ask('POST', '/api/verifications', {}));
  expect(status).toBe(409);
});
