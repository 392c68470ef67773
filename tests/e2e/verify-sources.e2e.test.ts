import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { slotOf } from '../logical-world.ts';
import { openTestDatabase, type TestDatabase } from '../test-database.ts';
import { command, type StartedSyncline, startSyncline } from './started-syncline.ts';

const config = fileURLToPath(new URL('../fixtures/config/verify-sources.yml', import.meta.url));
const patience = { timeout: 90_000, interval: 250 };
const rows = 700;

let erp: TestDatabase;
let syncline: StartedSyncline;
let ours: pg.Pool;
const dataDir = mkdtempSync(join(tmpdir(), 'syncline-verify-sources-'));

beforeAll(async () => {
  erp = await openTestDatabase();
  await erp.pool.query(`
    CREATE TABLE product (sku TEXT PRIMARY KEY, title TEXT, price NUMERIC(10,2), secret TEXT);
    INSERT INTO product SELECT 'P' || n, 'Lamp ' || n, n / 100.0, 'x' FROM generate_series(1, ${rows}) AS n;
    CREATE TABLE price (sku TEXT, country CHAR(2), amount NUMERIC(10,2), PRIMARY KEY (sku, country));
    INSERT INTO price SELECT 'P' || n, 'DE', n FROM generate_series(1, 50) AS n`);
  syncline = await startSyncline(dataDir, { SYNCLINE_CONFIG: config, ERP_URL: erp.url, ERP_SLOT: slotOf(erp.url) });
  ours = new pg.Pool({ connectionString: syncline.runtime.postgres });
}, 240_000);

afterAll(async () => {
  await ours.end();
  syncline.signal('SIGINT');
  await syncline.ended;
  await erp.pool.query(
    'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()',
  );
  await erp.close();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

async function states(kind: string): Promise<number> {
  const text = `SELECT count(*)::int AS states FROM sync_state WHERE source_type = 'ERP' AND kind = $1 AND status <> 'deleted'`;
  return (await ours.query<{ states: number }>(text, [kind])).rows[0]!.states;
}

async function phases(): Promise<string[]> {
  const { body } = await syncline.get('/api/sources');
  const { sources } = body as { sources: { name: string; streams: { stream: string; phase: string }[] }[] };
  return sources.flatMap(({ streams }) => streams.map(({ stream, phase }) => `${stream} ${phase}`)).sort();
}

interface Run {
  readonly id: string;
  readonly state: string;
  readonly moving: number;
  readonly parts: { system: string; kind: string; state: string; records: number; reason: string | null }[];
  readonly found: {
    system: string;
    kind: string;
    finding: string;
    key: string | null;
    fields: string[];
    reason: string | null;
  }[];
}

/** As somebody at a terminal does it. A difference ends the command with code 1. */
async function verify(): Promise<Run> {
  const words = ['verify', '--wait', '--settle', '1', '--system', 'erp', '--system', 'shop', '--json', '--data-dir', dataDir];
  return JSON.parse(await command(...words).catch((error: { stdout: string }) => error.stdout)) as Run;
}

const readAnew = `SELECT max(rows)::int AS rows FROM source_streams WHERE stream = 'products' AND epoch = 2`;

function linesOf({ found }: Run): string[] {
  return found.map(({ kind, finding, key, fields }) => `${kind} ${finding} ${key} ${fields}`.trim()).sort();
}

test('tables that are only read are equal to what is known of them, also while they change', { timeout: 240_000 }, async () => {
  await expect.poll(() => states('products'), patience).toBe(rows);
  await expect.poll(() => states('prices'), patience).toBe(50);
  await expect.poll(phases, patience).toEqual(['prices waiting', 'products waiting']);
  let changing = true;
  const change = (async () => {
    for (let n = 0; changing; n++) {
      await erp.pool.query('UPDATE product SET price = price + 1 WHERE sku = $1', [`P${(n % rows) + 1}`]);
      await erp.pool.query('UPDATE price SET amount = amount + 1 WHERE sku = $1', [`P${(n % 50) + 1}`]);
    }
  })();
  try {
    const run = await verify();
    expect(linesOf(run)).toEqual([]);
    expect(run.parts).toMatchObject([
      { system: 'shop', kind: 'products', state: 'unreadable', reason: expect.stringContaining('sends its changes by itself') },
      { system: 'erp', kind: 'products', state: 'equal' },
      { system: 'erp', kind: 'prices', state: 'equal' },
    ]);
    for (const { records } of run.parts.slice(1)) expect(records).toBeGreaterThanOrEqual(100);
  } finally {
    changing = false;
    await change;
  }
});

const sabotage = [
  'prices differs P1/DE amount',
  'prices missing_here P2/DE',
  'prices missing_there GHOST/DE',
  'products differs P1 name',
  'products missing_here P2',
  'products missing_there GHOST',
];

test('a state that was changed, one that was lost and one that nobody sent are found, and told again by a repair', {
  timeout: 240_000,
}, async () => {
  const settled = { timeout: 60_000, interval: 250 };
  await expect.poll(phases, settled).toEqual(['prices waiting', 'products waiting']);
  const change = (id: string, data: string) =>
    ours.query(`UPDATE sync_state SET data = data || $2::jsonb WHERE entity_id = $1 AND source_type = 'ERP'`, [id, data]);
  await change('products:P1', '{"name": "wrong"}');
  await change('prices:P1/DE', '{"amount": 4711}');
  await ours.query(`DELETE FROM sync_state WHERE entity_id IN ('products:P2', 'prices:P2/DE')`);
  for (const [from, to] of [
    ['products:P3', 'products:GHOST'],
    ['prices:P3/DE', 'prices:GHOST/DE'],
  ]) {
    await ours.query(
      `INSERT INTO sync_state SELECT (jsonb_populate_record(s, jsonb_build_object('entity_id', $2::text))).* FROM sync_state s WHERE entity_id = $1`,
      [from, to],
    );
  }
  const run = await verify();
  expect(run.state).toBe('differs');
  expect(linesOf(run)).toEqual(sabotage);

  const words = ['repair', run.id, '--json', '--data-dir', dataDir];
  const repair = JSON.parse(await command(...words)) as { items: { key: string; action: string; outcome: string }[] };
  expect(repair.items.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual(sabotage.map(() => 'tell equal'));
  expect(linesOf(await verify())).toEqual([]);
  const price = await ours.query(
    `SELECT data ->> 'amount' AS amount FROM sync_state WHERE entity_id = 'prices:P1/DE' AND source_type = 'ERP'`,
  );
  const wanted = await erp.pool.query(`SELECT amount::float::text AS amount FROM price WHERE sku = 'P1'`);
  expect(Number(price.rows[0].amount)).toBe(Number(wanted.rows[0].amount));
});

test('a row that became a dead letter is found with its code, and not told once more', { timeout: 120_000 }, async () => {
  await erp.pool.query(`INSERT INTO product VALUES ('LARGE', repeat('x', 2000000), 1, 'x')`);
  const letters = async () => ((await syncline.get('/api/dead-letters')).body as { items: { key: string }[] }).items;
  await expect.poll(async () => (await letters()).map(({ key }) => key), patience).toEqual(['LARGE']);
  const run = await verify();
  expect(linesOf(run)).toEqual(['products missing_here LARGE']);
  expect(run.found[0]!.reason).toContain('record.too-large');
  const output = await command('repair', run.id, '--dry-run', '--json', '--data-dir', dataDir);
  expect(JSON.parse(output)).toMatchObject({ items: [{ key: 'LARGE', action: 'none' }] });
  await command('sources', 'resync', 'erp', 'products', '--data-dir', dataDir);
  await expect.poll(async () => (await ours.query(readAnew)).rows[0].rows, patience).toBeGreaterThanOrEqual(rows);
  await expect.poll(phases, patience).toEqual(['prices waiting', 'products waiting']);
  expect(await letters()).toHaveLength(1);
});

test('a source that is not read up to date is not called different, and says why it could not be compared', {
  timeout: 120_000,
}, async () => {
  await command('sources', 'pause', 'erp', 'products', '--data-dir', dataDir);
  await erp.pool.query(`DELETE FROM product WHERE sku = 'P9'`);
  const run = await verify();
  expect(run.state).toBe('failed');
  expect(linesOf(run)).toEqual([]);
  expect(run.parts[1]).toMatchObject({ state: 'failed', reason: expect.stringMatching(/stream products of erp is paused/) });
});
