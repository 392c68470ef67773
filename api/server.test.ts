import { request as httpRequest } from 'node:http';
import express from 'express';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../adapters/process/clock.ts';
import type { EventId } from '../core/change-event.ts';
import { parseConfig } from '../core/config/config.ts';
import { compileRecordSchema } from '../core/config/record-schema.ts';
import { SyncError } from '../core/errors.ts';
import type { ApiRole } from '../core/ports/api-key-store.ts';
import type { DeadLetterStore } from '../core/ports/dead-letter-store.ts';
import type { EntityStore } from '../core/ports/entity-store.ts';
import type { ReadStore } from '../core/ports/read-store.ts';
import type { SourceDesk } from '../core/ports/source-store.ts';
import type { TargetDesk } from '../core/ports/target-desk.ts';
import type { VerificationDesk } from '../core/ports/verification-desk.ts';
import { memoryKeyStore } from '../tests/memory-stores.ts';
import { apiKeyHash, mintApiKey } from './api-key.ts';
import { type ApiDeps, createApi } from './server.ts';

type ConfigInput = Parameters<typeof parseConfig>[0];

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A store of which a test gives only what it needs. */
function partly<T extends object>(given: Partial<T>): T {
  return new Proxy(given as T, {
    get: (target, name) => Reflect.get(target, name) ?? (() => Promise.reject(new SyncError('postgres.unavailable', 'out'))),
  });
}

async function openApi(deps: Partial<ApiDeps> = {}, api: object = {}, more: object = {}) {
  const keyStore = memoryKeyStore();
  const ingest = express.Router();
  ingest.post('/users', (_request, response) => void response.json({ id: 'taken' }));
  const answered: { method: string; route: string; status: number }[] = [];
  const failures: unknown[] = [];
  const { check: _check, zod } = compileRecordSchema({
    fields: { name: { type: 'string', required: true } },
    additionalFields: 'allow',
  });
  const created = createApi({
    config: parseConfig({ api, ...more } as ConfigInput),
    clock: systemClock,
    readStore: partly<ReadStore>({}),
    entityStore: partly<EntityStore>({}),
    answers: { send: async () => '' as EventId },
    identity: {} as ApiDeps['identity'],
    kinds: new Map(),
    differenceRebuilds: { request: async () => 0 },
    keyStore,
    deadLetterStore: partly<DeadLetterStore>({}),
    replayDeadLetters: async () => 0,
    targetDesk: partly<TargetDesk>({}),
    sourceDesk: partly<SourceDesk>({}),
    verificationDesk: partly<VerificationDesk>({}),
    ends: { raw: async () => [], canonical: async () => [] },
    readinessChecks: [],
    about: { version: '1.2.3', profile: 'development', addresses: {}, keyFile: null },
    ingest: { router: ingest, documents: [{ source: 'shop', kind: 'users', keyFields: ['email'], schema: zod }] },
    metrics: async () => ({ contentType: 'text/plain', text: 'up 1\n' }),
    requestAnswered: (event) => void answered.push(event),
    requestFailed: (error) => void failures.push(error),
    ...deps,
  });
  const { url, close } = await created.listen('127.0.0.1', 0);
  closers.push(close);
  const keyOf = async (role: ApiRole) => {
    const key = mintApiKey();
    const { id } = await keyStore.create(role, role, apiKeyHash(key));
    return { id, headers: { authorization: `Bearer ${key}` } };
  };
  return { url, keyStore, keyOf, answered, failures };
}

const json = { 'content-type': 'application/json' };

describe('who may do what', () => {
  test.each([
    ['GET', '/api/sync-state', 'viewer'],
    ['GET', '/api/status', 'viewer'],
    ['POST', '/api/dead-letters/replay', 'operator'],
    ['POST', '/api/dead-letters/01a1fca6-862b-8f36-bca4-7e1bcec98a41/discard', 'operator'],
    ['GET', '/api/targets/letters', 'viewer'],
    ['POST', '/api/targets/crm/approve', 'operator'],
    ['POST', '/api/targets/letters/01a1fca6-862b-8f36-bca4-7e1bcec98a41/replay', 'operator'],
    ['POST', '/api/targets/letters/01a1fca6-862b-8f36-bca4-7e1bcec98a41/discard', 'operator'],
    ['POST', '/api/targets/letters/replay', 'operator'],
    ['GET', '/api/keys', 'admin'],
    ['POST', '/api/keys', 'admin'],
  ] as const)('%s %s needs the role %s', async (method, path, role) => {
    const { url, keyOf } = await openApi();
    const ask = async (headers: Record<string, string>) =>
      (await fetch(url + path, { method, headers: { ...json, ...headers } })).status;
    expect(await ask({})).toBe(401);
    const roles = ['viewer', 'operator', 'admin'] as const;
    for (const held of roles) {
      const status = await ask((await keyOf(held)).headers);
      if (roles.indexOf(held) < roles.indexOf(role)) expect(status).toBe(403);
      else expect([401, 403]).not.toContain(status);
    }
  });

  test.each(['Bearer', 'Bearer x', 'Basic YTpi', `Bearer syncline_${'a'.repeat(43)}`, `Bearer ${'x'.repeat(5_000)}`])(
    'the header "%.30s" is refused',
    async (authorization) => {
      const { url } = await openApi();
      const response = await fetch(`${url}/api/sync-state`, { headers: { authorization } });
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    },
  );

  test('a revoked key is refused at once', async () => {
    const { url, keyOf } = await openApi();
    const [admin, viewer] = [await keyOf('admin'), await keyOf('viewer')];
    const ask = async () => (await fetch(`${url}/api/metrics-history`, viewer)).status;
    expect(await ask()).toBe(503);
    expect((await fetch(`${url}/api/keys/${viewer.id}`, { method: 'DELETE', headers: admin.headers })).status).toBe(200);
    expect(await ask()).toBe(401);
  });

  test('the last admin key stays', async () => {
    const { url, keyOf } = await openApi();
    const admin = await keyOf('admin');
    expect((await fetch(`${url}/api/keys/${admin.id}`, { method: 'DELETE', headers: admin.headers })).status).toBe(409);
  });

  test('a new key works, and its text is shown once', async () => {
    const { url, keyOf } = await openApi();
    const admin = await keyOf('admin');
    const made = await fetch(`${url}/api/keys`, {
      method: 'POST',
      headers: { ...json, ...admin.headers },
      body: '{"name":"ci","role":"admin"}',
    });
    const { key } = (await made.json()) as { key: string };
    const listed = await fetch(`${url}/api/keys`, { headers: { authorization: `Bearer ${key}` } });
    expect(listed.status).toBe(200);
    expect(await listed.text()).not.toContain(key);
  });
});

describe('ingest without a key', () => {
  const post = (url: string, headers: Record<string, string> = {}) => {
    const { hostname, port } = new URL(url);
    return new Promise<number>((resolve, reject) => {
      const asked = httpRequest(
        { hostname, port, path: '/users', method: 'POST', headers: { ...json, ...headers } },
        (response) => {
          response.resume();
          resolve(response.statusCode!);
        },
      );
      asked.on('error', reject);
      asked.end('{}');
    });
  };

  test('is taken from this machine', async () => {
    expect(await post((await openApi()).url)).toBe(200);
  });

  test.each([
    [{ 'x-forwarded-for': '127.0.0.1' }],
    [{ forwarded: 'for=127.0.0.1' }],
    [{ via: '1.1 proxy' }],
    [{ host: 'rebound.example' }],
    [{ authorization: 'Bearer nonsense' }],
  ])('is refused with %j: others may stand behind it', async (headers) => {
    expect(await post((await openApi()).url, headers as Record<string, string>)).toBe(401);
  });

  test('is refused where the configuration says never, and in production', async () => {
    expect(await post((await openApi({}, { anonymousIngest: 'never' })).url)).toBe(401);
    const config = { ...parseConfig({}), profile: 'production' as const };
    expect(await post((await openApi({ config })).url)).toBe(401);
  });

  test('with a key needs the role operator', async () => {
    const { url, keyOf } = await openApi({}, { anonymousIngest: 'never' });
    expect(await post(url, (await keyOf('viewer')).headers)).toBe(403);
    expect(await post(url, (await keyOf('operator')).headers)).toBe(200);
  });
});

describe('what goes wrong', () => {
  test('is told as a problem with the correlation id of the request', async () => {
    const { url } = await openApi();
    const response = await fetch(`${url}/nowhere`, { headers: { 'x-correlation-id': 'mine' } });
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    expect(await response.json()).toMatchObject({
      type: 'urn:syncline:error:request.not-found',
      status: 404,
      code: 'request.not-found',
      correlationId: 'mine',
    });
  });

  test('a method that is not taken names those that are', async () => {
    const { url } = await openApi();
    const response = await fetch(`${url}/api/keys`, { method: 'PATCH' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, POST, HEAD']);
    const health = await fetch(`${url}/health`, { method: 'POST' });
    expect([health.status, health.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  test('a failure of ours keeps its text to itself and is reported', async () => {
    const readStore = partly<ReadStore>({ conflicts: () => Promise.reject(new Error('secret of the house')) });
    const { url, keyOf, failures } = await openApi({ readStore });
    const response = await fetch(`${url}/api/conflicts`, await keyOf('viewer'));
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret');
    expect(failures).toHaveLength(1);
  });

  test.each([
    ['{"name":', 400],
    ['[]', 400],
    ['null', 400],
    ['{"name":"\\u0000","role":"viewer"}', 400],
    ['{"name":"x","role":"root"}', 400],
    ['{"name":"x","role":"viewer","more":1}', 400],
    [JSON.stringify({ name: 'x'.repeat(200_000), role: 'viewer' }), 413],
    ['', 400],
  ])('the body %.40s', async (body, status) => {
    const { url, keyOf } = await openApi();
    const response = await fetch(`${url}/api/keys`, {
      method: 'POST',
      headers: { ...json, ...(await keyOf('admin')).headers },
      body,
    });
    expect(response.status).toBe(status);
  });

  test('a body that is no JSON is not taken for one', async () => {
    const { url, keyOf } = await openApi();
    const { headers } = await keyOf('admin');
    expect((await fetch(`${url}/api/keys`, { method: 'POST', headers, body: '{"name":"x","role":"viewer"}' })).status).toBe(415);
  });

  test.each(['/api/sync-state/%ff', '/api/source-events/%zz', '/api/dead-letters/1%27%20OR%201=1'])(
    'the address %s',
    async (path) => {
      const { url, keyOf } = await openApi();
      expect((await fetch(url + path, await keyOf('viewer'))).status).toBe(400);
    },
  );

  test.each(['/events/%zz', '/events/%', '/api/sync-state/%ff'])(
    'the address %s is refused with how to write it',
    async (path) => {
      const ingest = express.Router();
      ingest.all('/events/:type', (_request, response) => void response.json({ id: 'taken' }));
      const { url, keyOf, failures } = await openApi({ ingest: { router: ingest, documents: [] } });
      const response = await fetch(url + path, path.startsWith('/api') ? await keyOf('viewer') : {});
      expect([response.status, response.headers.get('content-type')]).toEqual([
        400,
        expect.stringContaining('application/problem+json'),
      ]);
      expect(await response.json()).toMatchObject({ code: 'request.malformed-address', fix: expect.stringContaining('%25') });
      expect(failures).toEqual([]);
    },
  );

  test.each([
    ['/users', 'application/json; charset=utf-16', 415],
    ['/users', 'application/json;charset="ISO-8859-1"', 415],
    ['/users', 'application/json; charset=UTF-8', 200],
    ['/users', 'application/json;charset="utf-8"; profile=x', 200],
    ['/api/keys', 'application/json; charset=utf-16le', 415],
  ])('%s takes a body of type %s: %i', async (path, type, status) => {
    const { url, keyOf } = await openApi();
    const { headers } = await keyOf('admin');
    const response = await fetch(url + path, { method: 'POST', headers: { ...headers, 'content-type': type }, body: '{}' });
    expect(response.status).toBe(status);
    if (status !== 415) return;
    expect(await response.json()).toMatchObject({
      code: 'request.unsupported-media-type',
      fix: expect.stringContaining('UTF-8'),
    });
  });

  test('too many requests are told when to come back', async () => {
    const { url, keyOf } = await openApi({}, { rateLimit: { perMinute: 3 } });
    const viewer = await keyOf('viewer');
    for (let asked = 0; asked < 3; asked++) await fetch(`${url}/api/conflicts`, viewer);
    const refused = await fetch(`${url}/api/conflicts`, viewer);
    expect([refused.status, refused.headers.has('retry-after')]).toEqual([429, true]);
    expect((await fetch(`${url}/api/conflicts`, await keyOf('viewer'))).status).toBe(503);
  });
});

describe('what needs no key', () => {
  test('a process that lives says so', async () => {
    const { url } = await openApi();
    expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: 'alive' });
    expect(await (await fetch(`${url}/metrics`)).text()).toBe('up 1\n');
  });

  test('what is not ready is listed', async () => {
    const readinessChecks = [
      { part: 'kafka', check: () => Promise.reject(new Error('no broker')) },
      { part: 'redis', check: async () => undefined },
    ];
    const { url } = await openApi({ readinessChecks });
    const response = await fetch(`${url}/ready`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      code: 'service.not-ready',
      errors: [{ field: 'kafka', message: 'no broker' }],
    });
  });

  test('a part that never answers is not waited for', async () => {
    const { url } = await openApi({ readinessChecks: [{ part: 'kafka', check: () => new Promise(() => undefined) }] });
    expect(await (await fetch(`${url}/ready`)).json()).toMatchObject({ errors: [{ field: 'kafka' }] });
  });

  test('the OpenAPI document describes every route with the schemas that parse it', async () => {
    const { url } = await openApi();
    const document = (await (await fetch(`${url}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, Record<string, never>>;
    };
    expect(document.openapi).toBe('3.1.0');
    const paths = Object.keys(document.paths);
    for (const path of [
      '/users',
      '/events/users',
      '/users/{key}',
      '/events/users/{key}',
      '/health',
      '/ready',
      '/metrics',
      '/api/sync-state/{entityId}',
      '/api/dead-letters/{id}/replay',
      '/api/keys',
    ]) {
      expect(paths).toContain(path);
    }
    expect(JSON.stringify(document.paths['/users'])).toContain('"required":["name"]');
    expect(JSON.stringify(document.paths['/api/sync-state'])).toContain('updated_since');
  });

  test('the OpenAPI document tells how a record is deleted, where records have a key', async () => {
    const { check: _check, zod: schema } = compileRecordSchema({ fields: {}, additionalFields: 'allow' });
    const documents = [
      { source: 'shop', kind: 'orders', keyFields: ['shop_id', 'number'], schema },
      { source: 'shop', kind: 'visits', keyFields: [], schema },
    ];
    const { url } = await openApi({ ingest: { router: express.Router(), documents } });
    const { paths } = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, object> };
    expect(paths['/events/orders/{key}']).toMatchObject({
      delete: {
        operationId: 'delete_orders',
        parameters: expect.arrayContaining([expect.objectContaining({ name: 'key', in: 'path' })]),
      },
    });
    expect(Object.keys(paths)).not.toContain('/events/visits/{key}');
  });

  test('the documentation asks nobody outside', async () => {
    const { url } = await openApi();
    const page = await fetch(`${url}/docs/`);
    const html = await page.text();
    expect(html).not.toMatch(/https?:\/\//);
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    for (const [, asset] of html.matchAll(/(?:src|href)="([^"]+)"/g)) expect((await fetch(url + asset)).status).toBe(200);
    expect((await fetch(`${url}/docs/package.json`)).status).toBe(404);
    expect((await fetch(`${url}/docs/..%2f..%2fpackage.json`)).status).toBe(404);
  });

  test('only configured origins may read answers in a browser', async () => {
    const { url } = await openApi({}, { corsOrigins: ['https://admin.example'] });
    const allowed = (origin: string) =>
      fetch(`${url}/health`, { headers: { origin } }).then((response) => response.headers.get('access-control-allow-origin'));
    expect(await allowed('https://admin.example')).toBe('https://admin.example');
    expect(await allowed('https://other.example')).toBeNull();
  });
});

test('requests are counted by the pattern of their route', async () => {
  const { url, keyOf, answered } = await openApi();
  await fetch(`${url}/api/sync-state/orders%3A1`, await keyOf('viewer'));
  await fetch(`${url}/nowhere/1`);
  expect(answered).toMatchObject([
    { method: 'GET', route: '/api/sync-state/:entityId', status: 503 },
    { method: 'GET', route: 'none', status: 404 },
  ]);
});
