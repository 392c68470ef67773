import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { RoleName } from '../bin/roles/role.ts';
import { captureRig, databaseUrl, shopUrl } from './capture.ts';
import { type Contender, DebeziumCapture, OurSource, type Side } from './capture-contender.ts';
import { CaptureTable, columns, tableName } from './capture-table.ts';
import { checkArrivals, firstOf } from './capture-topic.ts';
import { Contest, contestResult } from './contest.ts';
import { Meter } from './meter.ts';
import { type Rig, withRig } from './rig.ts';
import { ConnectWorker } from './rivals/connect-worker.ts';
import { debeziumTopic, forSink, jdbcSink } from './rivals/debezium-settings.ts';
import type { Scenario } from './scenario.ts';

const roles: readonly RoleName[] = ['source', 'processor', 'sync-manager', 'target'];
const rounds = 2;
const pollMs = 200;
const stallMsMax = 180_000;
const sinkName = 'rival_sink';
const rivalName = 'rival';
const copyOf: Readonly<Record<Side, string>> = { ours: 'item_ours', debezium: 'item_rival' };

export const replication: Scenario = {
  name: 'replication',
  promise:
    '200,000 updates from one PostgreSQL database into another, with diff, state and audit, against Debezium and its JDBC sink',
  run: (context) =>
    withRig({ ...context.rig, ...replicationRig() }, async (rig) => {
      const rows = context.quick ? 5_000 : 200_000;
      const table = await CaptureTable.create(rig, shopUrl(rig), rows);
      const copies = await openCopies(rig);
      const worker = await ConnectWorker.open(rig);
      const contest = new Contest(rig);
      try {
        const ours = contest.enter(await OurSource.open(rig, table, 'shop'));
        const rival = contest.enter(await openRival(worker, table));
        await rig.startRoles(roles);
        await inCopy(copies, table, ours);
        await ours.stop();
        await rival.start();
        await worker.put(sinkName, sinkOf(rig));
        await inCopy(copies, table, rival, () => worker.check(sinkName));
        await rival.stop();
        for (let round = 0; round < rounds; round++) await changesThrough(contest, [ours, rival], table, copies);
        const unit = 'rows/s, counted at the destination';
        return [contestResult('replication', unit, contest.outcomeOf('ours'), contest.outcomeOf('debezium'), 1)];
      } finally {
        await contest.close();
        await worker.close();
        await copies.end();
        await table.close();
      }
    }),
};

function replicationRig() {
  const rig = captureRig('{ mode: logical }', ['shop']);
  const target = `targets:
  warehouse:
    connector: postgres
    url: \${COPIES_URL}
    entities:
      ${tableName}: { table: ${copyOf.ours}, key: id }
`;
  return {
    ...rig,
    configText: `${rig.configText}${target}`,
    variablesOf: (addresses: Rig['addresses']) => ({ ...rig.variablesOf(addresses), COPIES_URL: copiesUrl(addresses) }),
  };
}

function copiesUrl({ postgres }: Rig['addresses']): string {
  return databaseUrl(postgres!, 'warehouse');
}

/** A database of its own for the destinations; a table like the source's for each side. */
async function openCopies(rig: Rig): Promise<pg.Pool> {
  await rig.pool.query('CREATE DATABASE warehouse');
  const pool = new pg.Pool({ connectionString: copiesUrl(rig.addresses), max: 2 });
  pool.on('error', () => undefined);
  for (const name of Object.values(copyOf)) await pool.query(`CREATE TABLE ${name} (${columns}) WITH (fillfactor = 45)`);
  return pool;
}

function openRival(worker: ConnectWorker, table: CaptureTable): Promise<DebeziumCapture> {
  const rowOf = (value: Buffer) =>
    (JSON.parse(value.toString('utf8')) as { payload: { id: number; version: number } | null }).payload;
  return DebeziumCapture.open(worker, table, { name: rivalName, snapshot: 'initial', settings: forSink, rowOf });
}

function sinkOf(rig: Rig) {
  const topic = debeziumTopic(rivalName, tableName);
  return jdbcSink({ topic, url: copiesUrl(rig.addresses), table: copyOf.debezium, key: 'id' });
}

/** The same changes for both, made while neither reads: from the first on the topic to the last in the destination. */
async function changesThrough(
  contest: Contest,
  sides: readonly Contender[],
  table: CaptureTable,
  copies: pg.Pool,
): Promise<void> {
  for (const { topic } of sides) await topic.mark();
  await table.changeAll();
  await table.pool.query('CHECKPOINT');
  for (const side of sides) {
    const meter = new Meter(table.rig, side.watched);
    await side.resume();
    await inCopy(copies, table, side);
    const endedMs = Date.now();
    const reading = meter.read();
    await side.stop();
    const arrivals = await side.topic.arrivals(side.rowOf);
    checkArrivals(arrivals, table.rows, table.version, side.name);
    const seconds = (endedMs - firstOf(arrivals)) / 1_000;
    contest.add(side.name, { seconds, perSecond: table.rows / seconds, counted: table.rows, reading });
    await isEqual(copies, table, side.name);
  }
}

/** Resolves when the destination holds every row in its latest version. */
async function inCopy(
  copies: pg.Pool,
  { rig, rows, version }: CaptureTable,
  side: Contender,
  check: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  let [last, movedMs] = [0, performance.now()];
  for (;;) {
    const found = await copies.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${copyOf[side.name]} WHERE version = $1`,
      [version],
    );
    const { count } = found.rows[0]!;
    if (count === rows) return;
    const nowMs = performance.now();
    if (count > last) [last, movedMs] = [count, nowMs];
    else if (nowMs - movedMs > 5_000) await Promise.all([side.check(), check()]);
    assert(nowMs - movedMs < stallMsMax, `${side.name}: the destination stands still at ${count} of ${rows} rows`);
    await sleep(pollMs, undefined, { signal: rig.signal });
  }
}

/** Rows as texts, all columns: what came over is what was there. */
async function isEqual(copies: pg.Pool, table: CaptureTable, side: Side): Promise<void> {
  const digest = (name: string) =>
    `SELECT md5(string_agg(md5(t::text), '' ORDER BY id)) AS digest FROM (SELECT id, sku, name, description, price, stock, category, active, version FROM ${name}) AS t`;
  const [there, here] = await Promise.all([
    copies.query<{ digest: string }>(digest(copyOf[side])),
    table.pool.query<{ digest: string }>(digest(tableName)),
  ]);
  assert.equal(there.rows[0]!.digest, here.rows[0]!.digest, `${side}: the destination is not as the source is`);
}
