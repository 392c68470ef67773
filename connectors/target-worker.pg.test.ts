import { afterEach, beforeEach, expect, test } from 'vitest';
import { MemoryEventLog } from '../adapters/memory/event-log.ts';
import { LogStore } from '../adapters/memory/log-store.ts';
import { createTargetDesk } from '../adapters/postgres/target-desk.ts';
import { createTargetStore } from '../adapters/postgres/target-store.ts';
import { systemClock } from '../adapters/process/clock.ts';
import { CircuitBreaker } from '../core/circuit-breaker.ts';
import { decodeAcknowledgement } from '../core/codec/acknowledgement-message.ts';
import { compileEntityPlan } from '../core/entity-plan.ts';
import type { LogSubscription } from '../core/ports/event-log.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import { ProducerPool } from '../core/producer-pool.ts';
import { topicNames } from '../core/topics.ts';
import { openTestDatabase, type TestDatabase } from '../tests/test-database.ts';
import { PostgresTarget } from './postgres/postgres-target.ts';
import { compileTargetPlan } from './target-plan.ts';
import { TargetWorker } from './target-worker.ts';

const topics = topicNames();
const kind = 'product';
const silent = new Proxy({}, { get: () => () => undefined }) as Telemetry;
const eventId = '00000000-0000-8000-8000-000000000001';

let ours: TestDatabase;
let theirs: TestDatabase;
const log = () => new LogStore(() => Date.now());
const open: { subscription: LogSubscription; connector: PostgresTarget }[] = [];

beforeEach(async () => {
  ours = await openTestDatabase(8);
  theirs = await openTestDatabase(8);
  for (const table of ['crm', 'slow']) {
    await theirs.pool.query(`CREATE TABLE ${table} (sku TEXT PRIMARY KEY, label TEXT, stock INT CHECK (stock >= 0))`);
  }
});
afterEach(async () => {
  for (const { subscription, connector } of open.splice(0)) {
    await subscription.stop();
    await connector.close();
  }
  await ours.close();
  await theirs.close();
});

/** A target as its role starts it, on the real stores and a log in memory. */
async function startTarget(store: LogStore, name: string, isSource = false) {
  const eventLog = new MemoryEventLog(store);
  const source = compileEntityPlan(
    { source: name, sourceType: 'CRM', kind, mapping: { keep: 'mapped', fields: { name: 'label', stock: 'stock' } } },
    topics,
  );
  const codec = { encode: (event: unknown) => JSON.stringify(event), decode: (bytes: Buffer) => JSON.parse(bytes.toString()) };
  const plan = compileTargetPlan({
    targetType: 'CRM',
    target: name,
    kind,
    entity: { mapping: { keep: 'mapped', fields: { sku: 'sku', label: 'name', stock: 'stock' } }, deletes: 'delete' },
    onForeignChange: 'overwrite',
    source: isSource
      ? { plan: source, counters: [], back: { topic: topics.raw(name, kind), partitions: 1, codec }, echoes: true }
      : null,
    keyIsEntity: true,
    topics,
    canonicalPartitions: 1,
  });
  const connector = new PostgresTarget({
    url: theirs.url,
    connectionsMax: 4,
    timeoutMs: 30_000,
    tables: [{ kind, table: name, key: ['sku'], deletes: true, columns: ['sku', 'label', 'stock'] }],
    applicationName: 'test',
  });
  const worker = new TargetWorker({
    target: name,
    plans: new Map([[plan.resolvedTopic, plan]]),
    connector,
    breaker: new CircuitBreaker({ failuresMax: 5, pauseMs: 10, pauseMsMax: 100 }, systemClock, () => 1),
    store: createTargetStore(ours.pool),
    producers: new ProducerPool([await eventLog.producer()]),
    guard: { changedMax: 1, deletedMax: 1, atLeast: 1, windowMs: 3_600_000, approveFirst: false },
    clock: systemClock,
    telemetry: silent,
  });
  const subscription = await eventLog.subscribe(
    { groupId: name, topics: [plan.resolvedTopic], concurrency: 2, batchRecordsMax: 500 },
    worker,
  );
  open.push({ subscription, connector });
  return worker;
}

function newLog(): LogStore {
  const store = log();
  for (const topic of [topics.resolved(kind), topics.canonical(kind), topics.raw('crm', kind)]) store.createTopic(topic, 1);
  return store;
}

async function resolved(store: LogStore, key: string, data: object | null, version: number): Promise<void> {
  const entityId = `${kind}:${key}`;
  for (const sourceType of ['GOLDEN', 'SHOP']) {
    await ours.pool.query(
      `INSERT INTO sync_state (entity_id, source_type, last_sync_at, version, data, status, kind, event_id)
       VALUES ($1, $2, now(), $3, $4, $5, $6, $7)
       ON CONFLICT (entity_id, source_type) DO UPDATE SET version = excluded.version, data = excluded.data, status = excluded.status`,
      [entityId, sourceType, version, data, data === null ? 'deleted' : 'synced', kind, eventId],
    );
  }
  store.append({ topic: topics.resolved(kind), partition: 0, key: entityId, value: '{}' });
}

async function rowsOf(table: string): Promise<unknown[]> {
  return (await theirs.pool.query(`SELECT * FROM ${table} ORDER BY sku`)).rows;
}

test('records reach a table, change there and go, and a row at fault is a letter that a replay settles', async () => {
  const store = newLog();
  const worker = await startTarget(store, 'crm');
  await resolved(store, 'A', { sku: 'A', name: 'Chair', stock: 1 }, 1);
  await resolved(store, 'B', { sku: 'B', name: 'Table', stock: -1 }, 1);
  await resolved(store, 'C', { sku: 'C', name: 'Stool', stock: 3 }, 1);
  await expect.poll(() => rowsOf('crm')).toMatchObject([{ sku: 'A' }, { sku: 'C' }]);
  await resolved(store, 'C', null, 2);
  await resolved(store, 'A', { sku: 'A', name: 'Chair', stock: 2 }, 2);
  await expect.poll(() => rowsOf('crm')).toEqual([{ sku: 'A', label: 'Chair', stock: 2 }]);
  const desk = createTargetDesk(ours.pool);
  const parked = async () => (await desk.letters({ target: 'crm' }, { after: null, limit: 10 })).rows;
  await expect.poll(parked).toMatchObject([{ key: 'B', code: 'target.rejected', status: 'parked' }]);
  await theirs.pool.query('ALTER TABLE crm DROP CONSTRAINT crm_stock_check');
  await desk.replay({ target: 'crm' }, 10);
  expect(await worker.replay()).toBe(1);
  expect(await rowsOf('crm')).toHaveLength(2);
  expect(await parked()).toMatchObject([{ key: 'B', status: 'applied' }]);
});

test('a target that hangs holds up no other', async () => {
  const store = newLog();
  const holder = await theirs.pool.connect();
  await holder.query('BEGIN; LOCK TABLE slow');
  try {
    await startTarget(store, 'slow');
    await startTarget(store, 'crm');
    for (let n = 0; n < 20; n++) await resolved(store, `K${n}`, { sku: `K${n}`, name: 'x', stock: n }, 1);
    await expect.poll(() => rowsOf('crm').then((rows) => rows.length)).toBe(20);
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
  await expect.poll(() => rowsOf('slow').then((rows) => rows.length)).toBe(20);
});

test('of writes to a system that is no source nothing is kept once they are settled', async () => {
  const store = newLog();
  await startTarget(store, 'crm');
  for (let version = 1; version <= 3; version++) {
    const label = `Chair ${version}`;
    await resolved(store, 'A', { sku: 'A', name: label, stock: version }, version);
    await expect.poll(() => rowsOf('crm')).toMatchObject([{ label }]);
  }
  await resolved(store, 'A', null, 4);
  await expect.poll(() => rowsOf('crm')).toEqual([]);
  const notes = async () => (await ours.pool.query('SELECT FROM echo_ledger')).rowCount;
  await expect.poll(notes).toBe(0);
});

test('a write to a system that is a source too is noted, acknowledged once, and closed when the sync manager has heard of it', async () => {
  const store = newLog();
  await startTarget(store, 'crm', true);
  await resolved(store, 'A', { sku: 'A', name: 'Chair', stock: 1 }, 1);
  const words = () => store.records({ topic: topics.canonical(kind), partition: 0 });
  await expect.poll(() => words().length).toBe(1);
  const { ledgerId, acknowledgement } = decodeAcknowledgement(words()[0]!.value!);
  expect(words()[0]!.headers).toEqual({ 'syncline-control': 'acknowledged' });
  expect(acknowledgement).toMatchObject({
    entityId: 'product:A',
    sourceType: 'CRM',
    kind,
    eventId,
    knowledge: { SHOP: 1 },
    through: 0,
    replaced: null,
    returned: { name: 'Chair', stock: 1 },
  });
  const { rows } = await ours.pool.query('SELECT id, state FROM echo_ledger');
  expect(rows).toEqual([{ id: ledgerId, state: 'written' }]);
  await theirs.pool.query(`UPDATE crm SET label = 'Mine'`);
  await resolved(store, 'A', { sku: 'A', name: 'Stool', stock: 1 }, 2);
  const found = () => store.records({ topic: topics.raw('crm', kind), partition: 0 }).filter(({ value }) => value !== null);
  await expect.poll(() => found().length).toBe(1);
  expect(JSON.parse(found()[0]!.value!.toString())).toMatchObject({ source: 'crm', key: 'A', data: { label: 'Mine', stock: 1 } });
  expect(await rowsOf('crm')).toMatchObject([{ label: 'Mine' }]);
});
