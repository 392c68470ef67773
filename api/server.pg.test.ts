import express from 'express';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createApiKeyStore } from '../adapters/postgres/api-key-store.ts';
import { createDeadLetterStore } from '../adapters/postgres/dead-letter-store.ts';
import { createDifferenceRebuilds } from '../adapters/postgres/difference-pairs.ts';
import { createEntityStore } from '../adapters/postgres/entity-store.ts';
import { createIdentityRegistry } from '../adapters/postgres/identity-registry.ts';
import { createReadStore } from '../adapters/postgres/read-store.ts';
import { createSourceDesk } from '../adapters/postgres/source-desk.ts';
import { createTargetDesk } from '../adapters/postgres/target-desk.ts';
import { createVerificationDesk } from '../adapters/postgres/verification-desk.ts';
import { systemClock } from '../adapters/process/clock.ts';
import type { EventId } from '../core/change-event.ts';
import { parseConfig } from '../core/config/config.ts';
import { deadLetterOf } from '../core/dead-letter.ts';
import { replayDeadLetters } from '../sync-manager/dead-letter-replay.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';
import { apiKeyHash, mintApiKey } from './api-key.ts';
import { createApi } from './server.ts';

let database: TestDatabase;
let url: string;
let close: () => Promise<void>;
let headers: Record<string, string>;
const replayed: string[] = [];

beforeAll(async () => {
  database = await openTestDatabase(6);
  const { pool } = database;
  const keyStore = createApiKeyStore(pool);
  const deadLetterStore = createDeadLetterStore(pool);
  const producer = {
    async send(records: readonly { key: string }[]) {
      replayed.push(...records.map((record) => record.key));
    },
    close: async () => undefined,
  };
  const raw = { topic: 'source.shop.orders', partition: 0 };
  const api = createApi({
    config: parseConfig({
      api: { rateLimit: { perMinute: 100_000 } },
      sources: { shop: { connector: 'http', type: 'LADEN', entities: {} } },
    }),
    clock: systemClock,
    readStore: createReadStore(pool),
    entityStore: createEntityStore(pool),
    answers: { send: async () => '' as EventId },
    identity: { registry: createIdentityRegistry(pool), relinks: { send: async () => [] } },
    kinds: new Map(),
    differenceRebuilds: createDifferenceRebuilds(pool),
    keyStore,
    deadLetterStore,
    replayDeadLetters: (filter, limit) => replayDeadLetters(deadLetterStore, producer, systemClock, filter, limit),
    targetDesk: createTargetDesk(pool),
    sourceDesk: createSourceDesk(pool),
    verificationDesk: createVerificationDesk(pool),
    ends: { raw: async () => [{ ...raw, end: 12 }], canonical: async () => [{ topic: 'entity.orders', partition: 0, end: 5 }] },
    readinessChecks: [],
    about: { version: '1', profile: 'development', addresses: { api: 'here' }, keyFile: '/k' },
    ingest: { router: express.Router(), documents: [] },
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
  });
  ({ url, close } = await api.listen('127.0.0.1', 0));
  const key = mintApiKey();
  await keyStore.create('test', 'operator', apiKeyHash(key));
  headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  await fill();
});
afterAll(async () => {
  await close();
  await database.close();
});

const rowsOfEach = 25;

async function fill(): Promise<void> {
  const { pool } = database;
  await pool.query(
    `INSERT INTO sync_state (entity_id, source_type, kind, version, position, status, data, checksum, event_id, last_sync_at)
     SELECT 'orders:' || n, s, 'orders', n, '00000001:' || n, CASE WHEN n % 5 = 0 THEN 'deleted' ELSE 'synced' END,
       '{"big": 12345678901234567890, "exact": 0.1234567890123456789}', repeat('a', 64), gen_random_uuid(), '2026-01-01'::timestamptz + n * interval '1 hour'
     FROM generate_series(1, $1) AS n, unnest(ARRAY['LADEN', 'GOLDEN']) AS s`,
    [rowsOfEach],
  );
  // Every third event shares its time with its neighbours: the id decides.
  await pool.query(
    `INSERT INTO source_events (event_id, source_type, source_id, event_type, data, timestamp, status, checksum, received_at, entity_id, position, correlation_id)
     SELECT gen_random_uuid(), 'LADEN', n::text, 'update', '{"n": 1}', '2026-01-01'::timestamptz + (n / 3) * interval '1.000001 second', 'applied',
       repeat('a', 64), now(), 'orders:' || n % 4, '00000001:' || n, 'c' FROM generate_series(1, $1) AS n`,
    [rowsOfEach],
  );
  await pool.query(
    `INSERT INTO conflict_log (conflict_id, entity_id, source_type, conflict_type, resolution, details)
     SELECT gen_random_uuid(), 'orders:' || n, 'LADEN', 'update_update', 'manual', '{"n": 1}' FROM generate_series(1, $1) AS n`,
    [rowsOfEach],
  );
  await pool.query(
    `INSERT INTO sync_metrics (metric_name, metric_value, labels) SELECT 'm', n, '{"a": "b"}' FROM generate_series(1, $1) AS n`,
    [rowsOfEach],
  );
  await pool.query(
    `INSERT INTO target_letters (target, entity_id, kind, version, topic, partition, code, reason, status, failed_at)
     SELECT 'crm', 'orders:' || n, 'orders', 1, 'resolved.orders', 0, 'target.rejected', 'r', 'parked', '2026-01-01'::timestamptz + (n / 3) * interval '1.000001 second'
     FROM generate_series(1, $1) AS n`,
    [rowsOfEach],
  );
  const letters = Array.from({ length: rowsOfEach }, (_none, offset) =>
    deadLetterOf(
      {
        origin: { topic: 'source.shop.orders', partition: 0, offset },
        stage: 'processor',
        source: 'shop',
        kind: 'orders',
        key: `k${offset}`,
        body: [Buffer.from('{"big":12345678901234567890}'), Buffer.from('half {'), Buffer.from([0xff, 0x00])][offset % 3]!,
      },
      new Error('broken'),
      1_000 * Math.floor(offset / 3),
    ),
  );
  await createDeadLetterStore(pool).record(letters, { attemptsMax: 1, delayMs: 1, delayMsMax: 1 });
  await pool.query(
    `INSERT INTO processor_progress (topic, partition, token, next_offset, forwarded, era, config_id)
     VALUES ('source.shop.orders', 0, 1, 10, 5, gen_random_uuid(), 'c')`,
  );
  await pool.query(`INSERT INTO sync_progress (topic, partition, token, next_offset) VALUES ('entity.orders', 0, 1, 4)`);
  await pool.query(
    `INSERT INTO raw_outcomes VALUES ('source.shop.orders', 0, 'unchanged', 'processor', 5), ('source.shop.orders', 0, 'applied', 'entity.orders/0', 4)`,
  );
  await pool.query(
    `INSERT INTO role_reports (role, instance, state, details) VALUES ('processor', 'p', 'running', '{"pid": 1}')`,
  );
}

interface Page {
  readonly items: Record<string, unknown>[];
  readonly next: string | null;
}

async function get(path: string): Promise<{ status: number; text: string; body: Page & Record<string, never> }> {
  const response = await fetch(url + path, { headers });
  const text = await response.text();
  return { status: response.status, text, body: JSON.parse(text) };
}

async function post(path: string, body: object = {}) {
  const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const lists: [path: string, rows: number, id: (item: Record<string, unknown>) => string][] = [
  ['/api/sync-state', 2 * rowsOfEach, (item) => `${item.entityId} ${item.sourceType}`],
  ['/api/source-events', rowsOfEach, (item) => String(item.eventId)],
  ['/api/conflicts', rowsOfEach, (item) => String(item.conflictId)],
  ['/api/metrics-history', rowsOfEach, (item) => String(item.value)],
  ['/api/dead-letters', rowsOfEach, (item) => String(item.id)],
  ['/api/targets/letters', rowsOfEach, (item) => String(item.id)],
];

describe.each(lists)('%s', (path, rows, idOf) => {
  test.each([1, 7, 500])('pages of %i rows show every row once', async (limit) => {
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const { body } = await get(`${path}?limit=${limit}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`);
      expect(body.items.length).toBeLessThanOrEqual(limit);
      seen.push(...body.items.map(idOf));
      cursor = body.next;
    } while (cursor !== null);
    expect([seen.length, new Set(seen).size]).toEqual([rows, rows]);
  });

  const cursors = [
    'x',
    '%00',
    '....',
    Buffer.from('{}').toString('base64url'),
    Buffer.from('["a"]').toString('base64url'),
    Buffer.from('[1,2]').toString('base64url'),
    Buffer.from('["a\\u0000","b"]').toString('base64url'),
    Buffer.from(`["2026-01-01T00:00:00Z","' OR 1=1 --"]`).toString('base64url'),
    Buffer.from('["infinity","01a1fca6-862b-8f36-bca4-7e1bcec98a41"]').toString('base64url'),
    Buffer.from('["9999-99-99T99:99:99Z","01a1fca6-862b-8f36-bca4-7e1bcec98a41"]').toString('base64url'),
    'A'.repeat(3_000),
  ];
  test.each(cursors)('the cursor %.40s is refused or finds nothing out of place', async (cursor) => {
    const { status, body } = await get(`${path}?cursor=${cursor}`);
    expect([200, 400]).toContain(status);
    if (status === 400) expect(body).toMatchObject({ code: 'request.invalid' });
  });

  test.each(['0', '-1', '501', '1e9', 'all', '', '1.5', '99999999999999999999', '50;DROP TABLE sync_state', '10&limit=20'])(
    'the limit %s is refused',
    async (limit) => {
      expect(await get(`${path}?limit=${limit}`)).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
    },
  );

  test('a parameter that is not known is refused by name', async () => {
    expect(await get(`${path}?entityID=1`)).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'entityID', code: 'unknown' }] },
    });
  });

  test.each([`' OR 1=1 --`, `'; DROP TABLE source_events; --`, '\\', '%', '$1', '\u{1F600}'])(
    'the text %s is a text and nothing else',
    async (text) => {
      const parameter = path === '/api/metrics-history' ? 'name' : path === '/api/dead-letters' ? 'code' : 'entity_id';
      expect(await get(`${path}?${parameter}=${encodeURIComponent(text)}`)).toMatchObject({
        status: 200,
        body: { items: [], next: null },
      });
      expect((await get(`${path}?${parameter}=a%00b`)).status).toBe(400);
      expect((await get(`${path}?${parameter}=`)).status).toBe(400);
      expect((await get(`${path}?${parameter}=${'x'.repeat(5_000)}`)).status).toBe(400);
    },
  );
});

describe('filters', () => {
  test('a source is found by its name and by its type', async () => {
    const [byName, byType] = [await get('/api/sync-state?source=shop'), await get('/api/sync-state?source=LADEN')];
    expect([byName.body.items.length, byType.body.items.length]).toEqual([rowsOfEach, rowsOfEach]);
    expect((await get('/api/sync-state?source=golden&status=deleted')).body.items).toHaveLength(5);
  });

  test('times bound what is found, the first included and the last not', async () => {
    const { body } = await get(
      '/api/sync-state?source=GOLDEN&updated_since=2026-01-01T02:00:00Z&updated_until=2026-01-01T06:00:00%2B01:00',
    );
    expect(body.items.map((item) => item.version)).toEqual([2, 3, 4]);
    for (const time of ['yesterday', '2026-01-01', '2026-13-01T00:00:00Z', 'infinity', '0000-01-01T00:00:00Z']) {
      expect((await get(`/api/sync-state?updated_since=${time}`)).status).toBe(400);
      expect((await get(`/api/source-events?until=${time}`)).status).toBe(400);
    }
  });

  test('the latest events come first', async () => {
    const { body } = await get('/api/source-events?entity_id=orders:1');
    const times = body.items.map((item) => String(item.timestamp));
    expect(times.length).toBeGreaterThan(3);
    expect(times).toEqual(times.toSorted().toReversed());
  });
});

describe('one thing', () => {
  test('an entity shows what every source says, every digit kept', async () => {
    const { text, body } = await get('/api/sync-state/orders%3A7');
    expect(body).toMatchObject({ entityId: 'orders:7', states: [{ sourceType: 'GOLDEN' }, { sourceType: 'LADEN' }] });
    expect(text).toContain('"big":12345678901234567890,"exact":0.1234567890123456789');
  });

  test('an event is found by its id', async () => {
    const { eventId } = (await get('/api/source-events?limit=1')).body.items[0] as { eventId: string };
    expect((await get(`/api/source-events/${eventId}`)).body).toMatchObject({ eventId, sourceType: 'LADEN' });
  });

  test.each([
    '/api/sync-state/nobody',
    '/api/source-events/01a1fca6-862b-8f36-bca4-7e1bcec98a41',
    '/api/dead-letters/01a1fca6-862b-8f36-bca4-7e1bcec98a41',
    '/api/targets/letters/01a1fca6-862b-8f36-bca4-7e1bcec98a41',
  ])('what is not there is not found: %s', async (path) =>
    expect((await get(path)).body).toMatchObject({ status: 404, code: 'request.not-found' }),
  );
});

describe('dead letters', () => {
  const letterOf = async (key: string) => {
    const { items } = (await get('/api/dead-letters?limit=500')).body;
    return items.find((item) => item.key === key)! as { id: string };
  };

  test('bytes are shown as JSON, as text or as base64, whichever they are', async () => {
    const bodies = await Promise.all(
      ['k0', 'k1', 'k2'].map(async (key) => (await get(`/api/dead-letters/${(await letterOf(key)).id}`)).text),
    );
    expect(bodies[0]).toContain('"body":{"encoding":"json","content":{"big":12345678901234567890}}');
    expect(bodies[1]).toContain('"body":{"encoding":"text","content":"half {"}');
    expect(bodies[2]).toContain('"body":{"encoding":"base64","content":"/wA="}');
  });

  test('one is replayed, twice without harm, and not once it was discarded', async () => {
    const { id } = await letterOf('k3');
    expect(await post(`/api/dead-letters/${id}/replay`)).toMatchObject({
      status: 202,
      body: { status: 'replaying', attempts: 1 },
    });
    expect(await post(`/api/dead-letters/${id}/replay`)).toMatchObject({
      status: 202,
      body: { status: 'replaying', attempts: 2 },
    });
    expect(replayed.filter((key) => key === 'k3')).toHaveLength(2);
    expect(await post(`/api/dead-letters/${id}/discard`)).toMatchObject({ status: 400 });
    expect(await post(`/api/dead-letters/${id}/discard`, { reason: 'a test' })).toMatchObject({
      status: 200,
      body: { status: 'discarded' },
    });
    expect(await post(`/api/dead-letters/${id}/discard`, { reason: 'a test' })).toMatchObject({ status: 409 });
    expect(await post(`/api/dead-letters/${id}/replay`)).toMatchObject({ status: 409, body: { code: 'request.conflict' } });
  });

  test('many are replayed by a filter, so many as asked', async () => {
    expect(await post('/api/dead-letters/replay', { code: 'mapping.failed' })).toMatchObject({
      body: { replayed: 0, remaining: 0 },
    });
    expect(await post('/api/dead-letters/replay', { source: 'shop', limit: 10 })).toMatchObject({
      status: 202,
      body: { replayed: 10, remaining: 14 },
    });
    for (const body of [{ limit: 0 }, { limit: 1e9 }, { status: 'applied' }, { everything: true }, { limit: '10' }]) {
      expect((await post('/api/dead-letters/replay', body)).status).toBe(400);
    }
  });
});

describe('at a glance', () => {
  test('the account balances and says what is in flight', async () => {
    expect((await get('/api/accounting')).body).toMatchObject({
      received: 12,
      outcomes: { unchanged: 5, applied: 4 },
      inFlight: 3,
      balanced: true,
      partitions: [{ waitingForProcessor: 2, waitingForSyncManager: 1, faults: [] }],
    });
  });

  test('the status is one object with roles, lag and sums', async () => {
    expect((await get('/api/status')).body).toMatchObject({
      version: '1',
      addresses: { api: 'here' },
      keyFile: '/k',
      ready: true,
      roles: [{ role: 'processor', instance: 'p', state: 'running', alive: true, details: { pid: 1 } }],
      lag: { processor: 2, syncManager: 1 },
      accounting: { received: 12, balanced: true },
      unknown: [],
    });
  });
});
