import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import type { TargetConnector } from '../../core/ports/target-connector.ts';
import { slotsAreFree } from '../../tests/logical-world.ts';
import { openPooledDatabase, type PooledDatabase } from '../../tests/pooled-database.ts';
import { SourceHouse, source } from '../../tests/source-world.ts';
import type { ConnectorDeclaration } from '../declaration.ts';
import { neonConnector, supabaseConnector } from './presets.ts';

const patience = { timeout: 60_000, interval: 50 };
let database: PooledDatabase;
let house: SourceHouse;
const opened: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  database = await openPooledDatabase();
  house = new SourceHouse(['a', 'b']);
});
afterEach(async () => {
  await house.close();
  await Promise.all(opened.splice(0).map((each) => each.close()));
  await slotsAreFree(database);
  await database.close();
});

interface Asked {
  readonly kind: string;
  readonly mode: string;
  readonly watermark?: string;
}

async function openSource(preset: ConnectorDeclaration, places: object, tables: readonly Asked[]): Promise<SourceConnector> {
  const half = preset.source!;
  const slot = `syncline_${new URL(database.url).pathname.slice(1)}`;
  const connector = await half.create!({
    source,
    options: half.options.parse({ slot, publication: slot, ...places }),
    entities: tables.map(({ kind, ...options }) => {
      const every = options.mode === 'logical' ? {} : { every: '100ms' };
      return { kind, key: [], occurredAt: undefined, options: half.entity.parse({ ...options, ...every }) };
    }),
    polling: { intervalMs: 100, batchRecordsMax: 50 },
    clock: systemClock,
  });
  opened.push(connector);
  return connector;
}

const sql = (text: string) => database.pool.query(text);

async function told(kind: string): Promise<Record<string, unknown>> {
  return Object.fromEntries(await house.told(kind));
}

it('tables are polled through the pooler and replicated past it, over TLS whose certificate is checked', async () => {
  await sql(
    'CREATE TABLE a (id INT PRIMARY KEY, n INT); CREATE TABLE b (id INT PRIMARY KEY, n INT); INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1)',
  );
  const places = { url: database.pooledUrl, directUrl: database.directUrl, ca: database.certificateFile };
  await house.start(
    await openSource(supabaseConnector, places, [
      { kind: 'a', mode: 'compare' },
      { kind: 'b', mode: 'logical' },
    ]),
  );
  await expect.poll(() => told('b'), patience).toEqual({ 1: { id: 1, n: 1 } });
  await sql('UPDATE a SET n = 2; UPDATE b SET n = 2; INSERT INTO b VALUES (2, 2)');
  await expect.poll(() => told('a'), patience).toEqual({ 1: { id: 1, n: 2 } });
  await expect.poll(() => told('b'), patience).toEqual({ 1: { id: 1, n: 2 }, 2: { id: 2, n: 2 } });
});

it('a certificate nobody vouches for is refused, whatever the address says', async () => {
  await sql('CREATE TABLE a (id INT PRIMARY KEY)');
  const connector = await openSource(neonConnector, { url: `${database.pooledUrl}?sslmode=no-verify` }, [
    { kind: 'a', mode: 'compare' },
  ]);
  const { problem } = await connector.streams[0]!.check();
  expect(problem).toMatchObject({ code: 'source.misconfigured', message: expect.stringMatching(/certificate .* not trusted/) });
});

it('many questions at once through few connections carry nothing from one to the other', async () => {
  await sql(`CREATE TABLE a (id INT PRIMARY KEY, at TIMESTAMPTZ); CREATE TABLE b (id INT PRIMARY KEY, at TIMESTAMPTZ);
    INSERT INTO a SELECT n, '2026-03-01 12:00:00+02' FROM generate_series(1, 500) AS n; INSERT INTO b SELECT * FROM a`);
  await sql(`ALTER DATABASE ${new URL(database.url).pathname.slice(1)} SET TimeZone = 'Asia/Tokyo'`);
  const places = { url: database.pooledUrl, ca: database.certificateFile };
  await house.start(
    await openSource(supabaseConnector, places, [
      { kind: 'a', mode: 'compare' },
      { kind: 'b', mode: 'timestamp', watermark: 'at' },
    ]),
  );
  for (const kind of ['a', 'b']) {
    await expect.poll(async () => (await house.told(kind)).size, patience).toBe(500);
    for (const { data } of await house.events(kind)) expect(data?.at).toBe('2026-03-01T10:00:00+00:00');
  }
});

it('a target writes through the pooler', async () => {
  await sql('CREATE TABLE a (id INT PRIMARY KEY, n INT)');
  const half = supabaseConnector.target!;
  const target: TargetConnector = await half.create({
    target: 'shop',
    options: half.options.parse({ url: database.pooledUrl, ca: database.certificateFile }),
    entities: [{ kind: 'a', key: ['id'], deletes: true, fields: undefined, options: half.entity.parse({ table: 'a' }) }],
    timeoutMs: 5_000,
  });
  opened.push(target);
  await target.open();
  await target.write('a', [{ key: '1', decide: () => ({ kind: 'write', row: { n: 5 } }) }]);
  expect((await sql('SELECT id, n FROM a')).rows).toEqual([{ id: 1, n: 5 }]);
});

it('a database that sleeps is woken by looking at it', async () => {
  await sql('CREATE TABLE a (id INT PRIMARY KEY)');
  const places = { url: database.pooledUrl, directUrl: database.directUrl, ca: database.certificateFile };
  const connector = await openSource(neonConnector, places, [{ kind: 'a', mode: 'logical' }]);
  database.sleep();
  const checking = connector.streams[0]!.check();
  await sleep(300);
  database.wake();
  expect((await checking).problem).toBeNull();
});

it('the log is not asked of a pooler, and the message says so', async () => {
  await sql('CREATE TABLE a (id INT PRIMARY KEY)');
  await expect(openSource(supabaseConnector, { url: database.pooledUrl }, [{ kind: 'a', mode: 'logical' }])).rejects.toThrow(
    /directUrl/,
  );
  const places = { url: database.pooledUrl, directUrl: database.pooledUrl, ca: database.certificateFile };
  const connector = await openSource(supabaseConnector, places, [{ kind: 'a', mode: 'logical' }]);
  expect((await connector.streams[0]!.check()).problem?.message).toMatch(/pooler, which does not replicate/);
});

it('the address behind a Neon pooler is known', async () => {
  await expect(
    openSource(neonConnector, { url: 'postgres://u:p@ep-cool-1-pooler.eu-central-1.aws.neon.tech/d' }, [
      { kind: 'a', mode: 'logical' },
    ]),
  ).resolves.toBeDefined();
});
