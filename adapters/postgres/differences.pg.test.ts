import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { checksumOf } from '../../core/canonical/canonical.ts';
import type { EntityId } from '../../core/change-event.ts';
import { type Difference, differenceChanges } from '../../core/differences/difference.ts';
import { compileDifferencePairs, type DifferencePair } from '../../core/differences/difference-pair.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';
import { systemClock } from '../process/clock.ts';
import { claimPairs, confessOutdated, createDifferenceRebuilds, pairsToBuild } from './difference-pairs.ts';
import { differencesPage, summarizeDifferences } from './differences-query.ts';
import { rebuildDifferences } from './differences-rebuild.ts';
import { writeDifferences } from './differences-writer.ts';

const sources = { a: { type: 'A', entities: { products: {} } }, b: { type: 'B', entities: { products: {} } } };
const pairOf = (ignore?: string): DifferencePair => {
  const compare = ignore === undefined ? undefined : { ignore: [ignore], ignoreCase: false, collapseSpaces: false };
  const rules = compare && { ...compare, nullEqualsAbsent: false, emptyEqualsAbsent: false };
  return compileDifferencePairs({ sources, differences: [{ left: 'a', right: 'b', compare: rules }] }).get('products')![0]!;
};
const pair = pairOf();
const topic = 'entity.products';

let database: TestDatabase;
let pool: pg.Pool;
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
});
afterEach(() => database.close());

async function putState(client: pg.Pool | pg.PoolClient, id: number, sourceType: string, data: JsonObject | null): Promise<void> {
  await client.query(
    `INSERT INTO sync_state (entity_id, source_type, kind, version, status, data, checksum, event_id, last_sync_at)
     VALUES ($1, $2, 'products', 1, $3, $4, $5, gen_random_uuid(), now())
     ON CONFLICT (entity_id, source_type) DO UPDATE SET status = excluded.status, data = excluded.data, checksum = excluded.checksum`,
    [`products:${id}`, sourceType, data === null ? 'deleted' : 'synced', data, data === null ? null : checksumOf(data)],
  );
}

/** Of both sources; every four hundredth is not the same. */
async function putProducts(count: number): Promise<void> {
  await pool.query(
    `INSERT INTO sync_state (entity_id, source_type, kind, version, status, data, checksum, event_id, last_sync_at)
     SELECT 'products:' || n, s, 'products', 1, 'synced', jsonb_build_object('n', n, 's', CASE WHEN n % 400 = 0 THEN s ELSE '' END),
       md5(n || CASE WHEN n % 400 = 0 THEN s ELSE '' END), gen_random_uuid(), now()
     FROM generate_series(1, $1) AS n, unnest(ARRAY['A', 'B']) AS s`,
    [count],
  );
}

async function write(...upserts: Difference[]): Promise<void> {
  const client = await pool.connect();
  await writeDifferences(client, { upserts, removals: [] }).finally(() => client.release());
}

function difference(id: number, kind: Difference['kind'], fields: JsonObject, of = pair): Difference {
  const { leftSource, rightSource, configId } = of;
  return { entityId: `products:${id}` as EntityId, leftSource, rightSource, configId, entityKind: 'products', kind, fields };
}

async function listed(): Promise<Record<string, unknown>> {
  const { rows } = await differencesPage(pool, {}, { after: null, limit: 5_000 });
  return Object.fromEntries(rows.map(({ entityId, kind, fields }) => [entityId.slice(9), kind === 'differs' ? fields : kind]));
}

function rebuild(pairs: readonly DifferencePair[] = [pair], clock: Clock = systemClock) {
  return rebuildDifferences({
    pool,
    pairs,
    canonicalTopicOf: () => topic,
    partitions: 2,
    clock,
    signal: new AbortController().signal,
  });
}

async function stateOf(of: DifferencePair = pair): Promise<string | undefined> {
  const summary = await summarizeDifferences(pool);
  return summary.find(({ leftSource }) => leftSource === of.leftSource)?.state;
}

/** As if nobody else had written by another configuration for long. */
const letWaitingEnd = () => pool.query(`UPDATE difference_pairs SET not_before = now()`);

describe('what a batch writes', () => {
  test('`since` stays while an entity differs in the same way, and begins anew when the way changes', async () => {
    const sinceOf = async () => (await differencesPage(pool, {}, { after: null, limit: 1 })).rows[0]?.since;
    await write(difference(1, 'differs', { price: { left: 1, right: 2 } }));
    const first = await sinceOf();
    await write(difference(1, 'differs', { price: { left: 1, right: 3 } }));
    expect([await sinceOf(), await listed()]).toEqual([first, { 1: { price: { left: 1, right: 3 } } }]);
    await write(difference(1, 'only_left', {}));
    expect(await sinceOf()).not.toBe(first);
  });

  test('numbers of any length are kept', async () => {
    await putState(pool, 1, 'A', { n: 1 });
    await pool.query(`UPDATE sync_state SET data = '{"n": 12345678901234567890}', checksum = 'x'`);
    await putState(pool, 1, 'B', { n: 1 });
    await claimPairs(pool, [pair]);
    await letWaitingEnd();
    await rebuild();
    const { rows } = await pool.query('SELECT fields::text FROM differences');
    expect(rows).toEqual([{ fields: '{"n": {"left": 12345678901234567890, "right": 1}}' }]);
  });

  test('what a process with an outdated configuration finds, or no longer finds, is not written', async () => {
    await claimPairs(pool, [pair]);
    await write(difference(1, 'only_left', {}), difference(2, 'only_left', {}, pairOf('x')));
    expect(await listed()).toEqual({ 1: 'only_left' });
    const { kind: _kind, fields: _fields, ...removal } = difference(1, 'only_left', {}, pairOf('x'));
    const client = await pool.connect();
    await writeDifferences(client, { upserts: [], removals: [removal] }).finally(() => client.release());
    expect(await listed()).toEqual({ 1: 'only_left' });
    await claimPairs(pool, []);
    await rebuild([]);
    await write(difference(1, 'only_left', {}));
    expect(await listed()).toEqual({});
  });
});

describe('building', () => {
  test('everything stored is compared, chunk by chunk, and what is said wrongly is corrected', async () => {
    await putProducts(1_203);
    await putState(pool, 7, 'B', null);
    await pool.query(`DELETE FROM sync_state WHERE source_type = 'A' AND entity_id = 'products:8'`);
    await claimPairs(pool, [pair]);
    await write(difference(9, 'differs', {}), difference(99_999, 'only_left', {}), difference(8, 'only_left', {}));
    await letWaitingEnd();
    expect(await rebuild()).toEqual([pair]);
    const sides = { s: { left: 'A', right: 'B' } };
    expect(await listed()).toEqual({ 7: 'only_left', 8: 'only_right', 400: sides, 800: sides, 1200: sides });
    expect(await summarizeDifferences(pool)).toEqual([
      { leftSource: 'A', rightSource: 'B', entityKind: 'products', state: 'exact', onlyLeft: 1, onlyRight: 1, differs: 3 },
    ]);
    expect(await rebuild()).toEqual([]);
  });

  test('a batch that is not committed yet is waited for', async () => {
    await putState(pool, 1, 'A', { v: 1 });
    await claimPairs(pool, [pair]);
    await letWaitingEnd();
    await pool.query('INSERT INTO sync_progress (topic, partition, token) VALUES ($1, 1, 1)', [topic]);
    const batch = await pool.connect();
    await batch.query('BEGIN');
    await batch.query('UPDATE sync_progress SET next_offset = 1 WHERE topic = $1', [topic]);
    await putState(batch, 1, 'B', { v: 1 });
    const building = rebuild();
    const waits = async () => {
      const { rowCount } = await pool.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      expect(rowCount).toBe(1);
    };
    await Promise.race([building, vi.waitFor(waits, { timeout: 60_000 })]);
    await batch.query('COMMIT');
    batch.release();
    await building;
    expect(await listed()).toEqual({});
  });

  test('batches that are committed while it is built leave it exact', async () => {
    const entities = 600;
    for (let id = 0; id < entities; id++) await putState(pool, id, 'A', { v: 0 });
    await claimPairs(pool, [pair]);
    await letWaitingEnd();
    let done = false;
    const stream = async (partition: number) => {
      for (let round = 1; !done; round++) {
        const id = ((round * 7 + partition * 300) % 300) + partition * 300;
        const side = round % 3 === 0 ? 'A' : 'B';
        await commitBatch(partition, id, side, round % 5 === 0 ? null : { v: round % 2 });
      }
    };
    await pool.query(`INSERT INTO sync_progress (topic, partition, token) VALUES ($1, 0, 1), ($1, 1, 1)`, [topic]);
    const streams = [stream(0), stream(1)];
    for (let times = 0; times < 12; times++) {
      await createDifferenceRebuilds(pool).request({});
      expect(await rebuild()).toEqual([pair]);
    }
    done = true;
    await Promise.all(streams);
    expect(await listed()).toEqual(await comparedBySql());
  });

  test('a pair that is to be compared anew while it is built stays building', async () => {
    await putProducts(501);
    await claimPairs(pool, [pair]);
    await letWaitingEnd();
    const sleep = async () => void (await createDifferenceRebuilds(pool).request({}));
    expect([await rebuild([pair], { nowMs: () => 0, sleep }), await stateOf()]).toEqual([[], 'building']);
    expect(await rebuild()).toEqual([pair]);
  });
});

describe('a configuration that changes', () => {
  test('has a pair built anew, and one that is gone loses its rows', async () => {
    await putState(pool, 1, 'A', { v: 1 });
    await putState(pool, 1, 'B', { v: 2 });
    await claimPairs(pool, [pair]);
    await letWaitingEnd();
    await rebuild();
    await claimPairs(pool, [pair]);
    expect([await stateOf(), await listed()]).toEqual(['exact', { 1: { v: { left: 1, right: 2 } } }]);

    await claimPairs(pool, [pairOf('v')]);
    expect(await stateOf()).toBe('building');
    expect(await pairsToBuild(pool, [pairOf('v')])).toEqual([]);
    await letWaitingEnd();
    expect(await rebuild([pairOf('v')])).toHaveLength(1);
    expect(await listed()).toEqual({});

    await write(difference(2, 'only_left', {}, pairOf('v')));
    await claimPairs(pool, []);
    expect(await summarizeDifferences(pool)).toEqual([]);
    await rebuild([]);
    expect(await listed()).toEqual({});
  });

  test('is not called exact while a process of the one before still writes, with other pairs or none', async () => {
    await putState(pool, 1, 'A', { v: 1 });
    for (const before of [[pairOf('x')], []]) {
      await claimPairs(pool, [pair]);
      await letWaitingEnd();
      await rebuild();
      await confessOutdated(pool, [pair]);
      expect(await stateOf()).toBe('exact');
      await confessOutdated(pool, before);
      expect([await stateOf(), await rebuild()]).toEqual(['building', []]);
    }
  });
});

/** What the sync manager does: move the offset, read what stands, write the state and what it means. */
async function commitBatch(partition: number, id: number, sourceType: string, data: JsonObject | null): Promise<void> {
  const entityId = `products:${id}` as EntityId;
  const { rows } = await pool.query<{ source_type: string; status: string; checksum: never; data: JsonObject | null }>(
    'SELECT source_type, status, checksum, data FROM sync_state WHERE entity_id = $1',
    [entityId],
  );
  const before = rows.map((row) => ({
    entityId,
    sourceType: row.source_type,
    deleted: row.status === 'deleted',
    checksum: row.checksum,
    data: row.data,
  }));
  const changed = { entityId, sourceType, deleted: data === null, checksum: data === null ? null : checksumOf(data), data };
  const after = [...before.filter((row) => row.sourceType !== sourceType), changed];
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query('UPDATE sync_progress SET next_offset = next_offset + 1 WHERE topic = $1 AND partition = $2', [
      topic,
      partition,
    ]);
    await putState(client, id, sourceType, data);
    await writeDifferences(client, differenceChanges([pair], before, after));
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

/** The same question asked of the states in another way. */
async function comparedBySql(): Promise<Record<string, unknown>> {
  const { rows } = await pool.query<{ id: string; a: number | null; b: number | null }>(
    `SELECT substr(entity_id, 10) AS id, max((data->>'v')::int) FILTER (WHERE source_type = 'A') AS a,
       max((data->>'v')::int) FILTER (WHERE source_type = 'B') AS b FROM sync_state WHERE status = 'synced' GROUP BY 1`,
  );
  const wayOf = (a: number | null, b: number | null) =>
    a === null ? 'only_right' : b === null ? 'only_left' : { v: { left: a, right: b } };
  return Object.fromEntries(rows.filter(({ a, b }) => a !== b).map(({ id, a, b }) => [id, wayOf(a, b)]));
}
