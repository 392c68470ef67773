import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSourceDesk } from '../adapters/postgres/source-desk.ts';
import { createSourceStore } from '../adapters/postgres/source-store.ts';
import { connectorSchemas } from '../connectors/registry.ts';
import { configSchemaOf } from '../core/config/config.ts';
import { type ApiWorld, openApiWorld, patientApi } from '../tests/api-world.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';

let database: TestDatabase;
let api: ApiWorld;
const config = configSchemaOf(connectorSchemas).parse({
  api: patientApi,
  sources: {
    erp: { connector: 'postgres', url: 'postgres://u:secret@h/erp', entities: { product: {}, price: {} } },
    shop: { connector: 'http', entities: { order: {} } },
  },
});

beforeAll(async () => {
  database = await openTestDatabase();
  api = await openApiWorld({ config, sourceDesk: createSourceDesk(database.pool) });
});
afterAll(async () => {
  await api.close();
  await database.close();
});

test('sources are listed with their streams, which are paused, resumed and read anew by whoever operates', async () => {
  const store = createSourceStore(database.pool);
  const before = await api.ask('GET', '/api/sources', undefined, 'viewer');
  expect(before.text).not.toContain('secret');
  expect(before.body.sources).toEqual([
    { name: 'erp', connector: 'postgres', kinds: ['product', 'price'], streams: [] },
    { name: 'shop', connector: 'http', kinds: ['order'], streams: [] },
  ]);
  const [lease] = await store.acquire([{ source: 'erp', stream: 'product' }], 'host:1', 5_000);
  await store.advance(lease!, { mark: { at: 1 }, phase: 'changes', lagMs: 12, changes: 7, put: [], remove: [] });
  const listed = await api.ask('GET', '/api/sources', undefined, 'viewer');
  expect(listed.body.sources[0].streams).toMatchObject([
    { stream: 'product', state: 'running', phase: 'changes', rows: 7, lagMs: 12, owner: 'host:1', epoch: 1, reason: null },
  ]);

  await store.fail(lease!, 'source.unavailable', 'no answer', false);
  const [failing] = (await api.ask('GET', '/api/sources', undefined, 'viewer')).body.sources[0].streams;
  expect(failing).toMatchObject({ state: 'running', errorCode: 'source.unavailable', since: failing.updatedAt });
  await store.advance(lease!, { mark: { at: 2 }, phase: 'changes', lagMs: 12, changes: 0, put: [], remove: [] });
  expect((await api.ask('GET', '/api/sources', undefined, 'viewer')).body.sources[0].streams[0].since).toBeNull();

  const path = '/api/sources/erp/streams/product';
  expect((await api.ask('POST', `${path}/pause`, undefined, 'viewer')).status).toBe(403);
  expect((await api.ask('POST', `${path}/pause`)).body).toMatchObject({
    state: 'paused',
    reason: expect.stringContaining('ann the operator'),
  });
  expect(await store.advance(lease!, { mark: {}, phase: 'changes', lagMs: null, changes: 0, put: [], remove: [] })).toBeNull();
  expect((await api.ask('POST', `${path}/resume`)).body).toMatchObject({ state: 'running', reason: null, epoch: 1 });
  expect((await api.ask('POST', `${path}/resync`)).body).toMatchObject({
    state: 'running',
    phase: 'snapshot',
    epoch: 2,
    rows: 0,
  });
});

test('who names a source or stream that is not there is told which there are', async () => {
  await createSourceStore(database.pool).acquire([{ source: 'erp', stream: 'product' }], 'host:1', 5_000);
  const pause = async (source: string, stream: string) =>
    (await api.ask('POST', `/api/sources/${source}/streams/${stream}/pause`)).body;
  expect(await pause('erp', 'nothing')).toMatchObject({
    status: 404,
    code: 'request.unknown-name',
    detail: 'there is no stream nothing of erp (there is: product)',
  });
  expect(await pause('erb', 'product')).toMatchObject({
    status: 404,
    detail: 'there is no source erb, did you mean erp? (there are: erp, shop)',
  });
  expect(await pause('shop', 'order')).toMatchObject({ status: 409 });
});
