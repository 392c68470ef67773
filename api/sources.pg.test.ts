import express from 'express';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSourceDesk } from '../adapters/postgres/source-desk.ts';
import { createSourceStore } from '../adapters/postgres/source-store.ts';
import { systemClock } from '../adapters/process/clock.ts';
import { connectorSchemas } from '../connectors/registry.ts';
import { configSchemaOf } from '../core/config/config.ts';
import type { ApiRole } from '../core/ports/api-key-store.ts';
import { memoryKeyStore } from '../tests/memory-stores.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';
import { apiKeyHash, mintApiKey } from './api-key.ts';
import { type ApiDeps, createApi } from './server.ts';

let database: TestDatabase;
let url: string;
let close: () => Promise<void>;
const keys = new Map<ApiRole, string>();
const config = configSchemaOf(connectorSchemas).parse({
  api: { rateLimit: { perMinute: 100_000 } },
  sources: {
    erp: { connector: 'postgres', url: 'postgres://u:secret@h/erp', entities: { product: {}, price: {} } },
    shop: { connector: 'http', entities: { order: {} } },
  },
});

beforeAll(async () => {
  database = await openTestDatabase();
  const keyStore = memoryKeyStore();
  for (const role of ['viewer', 'operator'] as const) {
    keys.set(role, mintApiKey());
    await keyStore.create(`ann the ${role}`, role, apiKeyHash(keys.get(role)!));
  }
  const unused = {} as never;
  const deps: Partial<ApiDeps> = {
    config,
    clock: systemClock,
    readStore: unused,
    entityStore: unused,
    kinds: new Map(),
    keyStore,
    deadLetterStore: unused,
    differenceRebuilds: unused,
    targetDesk: unused,
    sourceDesk: createSourceDesk(database.pool),
    ends: unused,
    readinessChecks: [],
    about: { version: '1', profile: 'development', addresses: {}, keyFile: null },
    ingest: { router: express.Router(), documents: [] },
  };
  ({ url, close } = await createApi(deps as ApiDeps).listen('127.0.0.1', 0));
});
afterAll(async () => {
  await close();
  await database.close();
});

async function ask(method: string, path: string, role: ApiRole = 'operator') {
  const response = await fetch(url + path, { method, headers: { authorization: `Bearer ${keys.get(role)}` } });
  const text = await response.text();
  return { status: response.status, text, body: JSON.parse(text) };
}

test('sources are listed with their streams, which are paused, resumed and read anew by whoever operates', async () => {
  const store = createSourceStore(database.pool);
  const before = await ask('GET', '/api/sources', 'viewer');
  expect(before.text).not.toContain('secret');
  expect(before.body.sources).toEqual([
    { name: 'erp', connector: 'postgres', kinds: ['product', 'price'], streams: [] },
    { name: 'shop', connector: 'http', kinds: ['order'], streams: [] },
  ]);
  const [lease] = await store.acquire([{ source: 'erp', stream: 'product' }], 'host:1', 5_000);
  await store.advance(lease!, { mark: { at: 1 }, phase: 'changes', lagMs: 12, changes: 7, put: [], remove: [] });
  const listed = await ask('GET', '/api/sources', 'viewer');
  expect(listed.body.sources[0].streams).toMatchObject([
    { stream: 'product', state: 'running', phase: 'changes', rows: 7, lagMs: 12, owner: 'host:1', epoch: 1, reason: null },
  ]);

  const path = '/api/sources/erp/streams/product';
  expect((await ask('POST', `${path}/pause`, 'viewer')).status).toBe(403);
  expect((await ask('POST', `${path}/pause`)).body).toMatchObject({
    state: 'paused',
    reason: expect.stringContaining('ann the operator'),
  });
  expect(await store.advance(lease!, { mark: {}, phase: 'changes', lagMs: null, changes: 0, put: [], remove: [] })).toBeNull();
  expect((await ask('POST', `${path}/resume`)).body).toMatchObject({ state: 'running', reason: null, epoch: 1 });
  expect((await ask('POST', `${path}/resync`)).body).toMatchObject({ state: 'running', phase: 'snapshot', epoch: 2, rows: 0 });
  expect((await ask('POST', '/api/sources/erp/streams/nothing/pause')).status).toBe(404);
});
