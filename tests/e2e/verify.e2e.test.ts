import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../test-database.ts';
import { command, type StartedSyncline, startSyncline } from './started-syncline.ts';

const config = fileURLToPath(new URL('../fixtures/config/verify.yml', import.meta.url));
const skus = Array.from({ length: 200 }, (_none, n) => `SKU-${n}`);
const patienceMs = 90_000;

let erp: TestDatabase;
let warehouse: TestDatabase;
let syncline: StartedSyncline;
let ours: pg.Pool;
const dataDir = mkdtempSync(join(tmpdir(), 'syncline-verify-'));
let telling: Promise<void>;
let stopped = false;

beforeAll(async () => {
  [erp, warehouse] = [await openTestDatabase(), await openTestDatabase()];
  // A system that tells of every change of a row, as shops do by webhook, and takes its time.
  await erp.pool.query(`
    CREATE TABLE product (sku TEXT PRIMARY KEY, name TEXT, price NUMERIC(10,2), stock INT);
    CREATE TABLE news (n BIGSERIAL PRIMARY KEY, sku TEXT, record JSONB, told_at TIMESTAMPTZ DEFAULT clock_timestamp() + interval '700 ms');
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      INSERT INTO news (sku, record) VALUES (coalesce(NEW.sku, OLD.sku), to_jsonb(NEW)); RETURN NULL; END $$;
    CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON product FOR EACH ROW EXECUTE FUNCTION tell()`);
  await warehouse.pool.query('CREATE TABLE product (sku TEXT PRIMARY KEY, label CHAR(40), price NUMERIC(10,1), stock INT)');
  syncline = await startSyncline(dataDir, { SYNCLINE_CONFIG: config, ERP_URL: erp.url, WAREHOUSE_URL: warehouse.url });
  ours = new pg.Pool({ connectionString: syncline.runtime.postgres });
  telling = tellNews();
}, 240_000);

afterAll(async () => {
  stopped = true;
  await telling;
  await ours.end();
  syncline.signal('SIGINT');
  await syncline.ended;
  await Promise.all([erp.close(), warehouse.close()]);
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

async function post(source: string, sku: string, record: object | null): Promise<void> {
  const address = `${syncline.runtime.api}/events/products${record === null ? `/${sku}` : ''}?source=${source}`;
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${syncline.adminKey}` };
  const answer = await fetch(
    address,
    record === null ? { method: 'DELETE', headers } : { method: 'POST', headers, body: JSON.stringify(record) },
  );
  if (answer.status !== 200) throw new Error(await answer.text());
}

async function tellNews(): Promise<void> {
  while (!stopped) {
    const { rows } = await erp.pool.query('SELECT * FROM news WHERE told_at < clock_timestamp() ORDER BY n LIMIT 1');
    if (rows.length === 0) await sleep(20);
    else {
      await post('erp', rows[0].sku, rows[0].record);
      await erp.pool.query('DELETE FROM news WHERE n = $1', [rows[0].n]);
    }
  }
}

async function ask<T>(path: string, body?: object): Promise<T> {
  const response = await fetch(syncline.runtime.api + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${syncline.adminKey}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await response.json()) as T;
}

interface Run {
  readonly id: string;
  readonly state: string;
  readonly moving: number;
  readonly outcomes: Record<string, number>;
  readonly parts: { system: string; kind: string; state: string; records: number; reason: string | null }[];
}

async function ended(path: string): Promise<Run> {
  await expect
    .poll(async () => (await ask<Run>(path)).state, { timeout: patienceMs, interval: 250 })
    .not.toMatch(/waiting|running/);
  return ask<Run>(path);
}

async function verify(settleSeconds = 2): Promise<Run> {
  const { id } = await ask<Run>('/api/verifications', { settleSeconds });
  return ended(`/api/verifications/${id}`);
}

async function findings({ id }: Run): Promise<string[]> {
  const { items } = await ask<{ items: { system: string; finding: string; key: string; entityId: string; fields: string[] }[] }>(
    `/api/verifications/${id}/findings?limit=500`,
  );
  return items
    .map(({ system, finding, key, entityId, fields }) => `${system} ${finding} ${key ?? entityId} ${fields}`.trim())
    .sort();
}

async function untold(): Promise<number> {
  return (await erp.pool.query('SELECT FROM news')).rowCount ?? 0;
}

async function quiet(): Promise<void> {
  const inFlight = async () => {
    const { lag } = await ask<{ lag: { processor: number; syncManager: number } }>('/api/status');
    return (await untold()) + lag.processor + lag.syncManager;
  };
  for (let still = 0; still < 4; await sleep(300)) still = (await inFlight()) === 0 ? still + 1 : 0;
}

async function everything(): Promise<unknown> {
  const rows = 'SELECT * FROM product ORDER BY sku';
  const states = 'SELECT entity_id, source_type, version, data, status, position FROM sync_state ORDER BY entity_id, source_type';
  const told = 'SELECT topic, partition, next_offset FROM processor_progress ORDER BY topic, partition';
  const pools = [erp.pool, warehouse.pool, ours, ours] as const;
  return Promise.all([rows, rows, states, told].map(async (text, at) => (await pools[at]!.query(text)).rows));
}

test('under load a verification finds nothing, and says of each system up to when it was equal', {
  timeout: 240_000,
}, async () => {
  for (const sku of skus) await post('shop', sku, { sku, name: `Lamp ${sku}`, price: 10.25, stock: 100 });
  for (const { pool } of [erp, warehouse]) {
    await expect.poll(async () => (await pool.query('SELECT FROM product')).rowCount, { timeout: patienceMs }).toBe(skus.length);
  }
  let loading = true;
  const load = (async () => {
    for (let n = 0; loading; n++) {
      const sku = skus[(n * 7) % skus.length]!;
      if (n % 3 === 0) await erp.pool.query('UPDATE product SET stock = stock - 1 WHERE sku = $1', [sku]);
      else if (n % 3 === 1) await erp.pool.query('UPDATE product SET name = $2 WHERE sku = $1', [sku, `Lamp ${sku} ${n}`]);
      else await post('shop', sku, { sku, name: `Shop lamp ${n}`, price: 10 + (n % 50), stock: 100 });
      await sleep(40);
      // How far behind a system may be with telling is what `settleSeconds` says.
      while ((await untold()) > 30) await sleep(20);
    }
  })();
  try {
    const begunMs = Date.now();
    const run = await verify(5);
    expect(await findings(run)).toEqual([]);
    expect(run).toMatchObject({ state: 'equal', moving: 0 });
    expect(run.parts.map(({ system, kind, state }) => `${system} ${kind} ${state}`)).toEqual([
      'shop products unreadable',
      'erp products equal',
      'warehouse products equal',
      'tables products equal',
      'tables * equal',
    ]);
    expect(run.parts[0]?.reason).toContain('cannot be asked');
    const { verified } = await ask<{ verified: { system: string; through: string; findings: number }[] }>('/api/status');
    expect(verified.map(({ system }) => system)).toEqual(['erp', 'tables', 'tables', 'warehouse']);
    for (const { through } of verified) expect(Date.parse(through)).toBeGreaterThan(begunMs - 1_000);
  } finally {
    loading = false;
    await load;
  }
});

const sabotage = [
  'erp differs SKU-1 name',
  'erp differs SKU-4 price',
  'erp missing_here NEW-ERP',
  'erp missing_there SKU-2',
  'erp undelivered SKU-6 price',
  'tables inconsistent products:SKU-4',
  'tables inconsistent products:SKU-6',
  'warehouse differs SKU-1 stock',
  'warehouse differs SKU-3 label',
  'warehouse differs SKU-6 price',
  'warehouse missing_here NEW-WAREHOUSE',
  'warehouse missing_there SKU-2',
];

test('what was changed behind the back is found, shown by a dry run, brought back by a repair, and then all is equal', {
  timeout: 300_000,
}, async () => {
  await quiet();
  await erp.pool.query('ALTER TABLE product DISABLE TRIGGER tell');
  await erp.pool.query(`UPDATE product SET name = 'Changed' WHERE sku = 'SKU-1'`);
  await erp.pool.query(`DELETE FROM product WHERE sku = 'SKU-2'`);
  await erp.pool.query(`INSERT INTO product VALUES ('NEW-ERP', 'New', 1, 1)`);
  await erp.pool.query('ALTER TABLE product ENABLE TRIGGER tell');
  await warehouse.pool.query(`UPDATE product SET stock = -5 WHERE sku = 'SKU-1'`);
  await warehouse.pool.query(`DELETE FROM product WHERE sku = 'SKU-2'`);
  await warehouse.pool.query(`UPDATE product SET label = 'painted' WHERE sku = 'SKU-3'`);
  await warehouse.pool.query(`INSERT INTO product VALUES ('NEW-WAREHOUSE', 'NEW', 1, 1)`);
  await ours.query(
    `UPDATE sync_state SET data = jsonb_set(data, '{price}', '77') WHERE entity_id = 'products:SKU-4' AND source_type = 'ERP'`,
  );
  await ours.query(
    `UPDATE sync_state SET data = jsonb_set(data, '{price}', '66') WHERE entity_id = 'products:SKU-6' AND source_type = 'GOLDEN'`,
  );
  const run = await verify();
  expect(run.state).toBe('differs');
  expect(await findings(run)).toEqual(sabotage);

  const before = await everything();
  const { id: rehearsal } = await ask<Run>('/api/repairs', { verification: run.id, dryRun: true, deleteUnknown: true });
  expect(await ended(`/api/repairs/${rehearsal}`)).toMatchObject({ state: 'done' });
  expect(await everything()).toEqual(before);
  const shown = await ask<{ items: { system: string; key: string; action: string }[] }>(`/api/repairs/${rehearsal}/items`);
  expect(shown.items.map(({ system, key, action }) => `${system} ${key} ${action}`).sort()).toEqual([
    'erp NEW-ERP tell',
    'erp SKU-1 tell',
    'erp SKU-2 tell',
    'erp SKU-4 tell',
    'erp SKU-6 none',
    'tables null none',
    'tables null remerge',
    'warehouse NEW-WAREHOUSE delete',
    'warehouse SKU-1 write',
    'warehouse SKU-2 write',
    'warehouse SKU-3 write',
    'warehouse SKU-6 none',
  ]);

  const output = await command('repair', run.id, '--delete-unknown', '--json', '--data-dir', dataDir);
  const repair = JSON.parse(output) as Run & { items: { system: string; key: string; outcome: string }[] };
  expect(repair.items.filter(({ outcome }) => outcome !== 'equal')).toEqual([]);
  expect(repair.items).toHaveLength(sabotage.length);
  await quiet();
  const after = await verify();
  expect(await findings(after)).toEqual([]);
  expect(after.state).toBe('equal');
  const rows = async ({ pool }: TestDatabase) =>
    (await pool.query('SELECT sku FROM product ORDER BY sku')).rows.map(({ sku }) => sku);
  const left = [...skus.filter((sku) => sku !== 'SKU-2'), 'NEW-ERP'].sort();
  expect((await rows(erp)).sort()).toEqual(left);
  expect((await rows(warehouse)).sort()).toEqual(left);
});

test('a process that is killed in the midst of a verification costs no part of it', { timeout: 240_000 }, async () => {
  await warehouse.pool.query(`UPDATE product SET stock = -7 WHERE sku = 'SKU-9'`);
  const { id } = await ask<Run>('/api/verifications', { settleSeconds: 5, systems: ['warehouse'] });
  const suspected = `/api/verifications/${id}/findings?state=suspected`;
  await expect.poll(async () => (await ask<{ items: unknown[] }>(suspected)).items.length, { timeout: 60_000 }).toBe(1);
  const { roles } = await ask<{ roles: { role: string; alive: boolean; details: { pid: number } }[] }>('/api/status');
  for (const { role, alive, details } of roles) if (role === 'target' && alive) process.kill(details.pid, 'SIGKILL');
  const run = await ended(`/api/verifications/${id}`);
  expect(run).toMatchObject({ state: 'differs' });
  // One of the records we know is deleted.
  expect(run.parts[0]?.records).toBe(2 * skus.length + 1);
  expect(await findings(run)).toEqual(['warehouse differs SKU-9 stock']);
});

test('the command shows what differs and ends with code 1, and with 0 where nothing does', { timeout: 120_000 }, async () => {
  const options = ['--wait', '--settle', '1', '--system', 'warehouse', '--data-dir', dataDir];
  const failed = await command('verify', ...options).catch((error: { code: number; stdout: string }) => error);
  expect(failed).toMatchObject({ code: 1, stdout: expect.stringMatching(/warehouse +products +differs +SKU-9 +stock/) });
  await command('repair', '--data-dir', dataDir);
  expect(await command('verify', ...options)).toMatch(/verification [0-9a-f-]+: equal/);
});
