import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createPositionDraw } from '../../connectors/http/position-draw.ts';
import { SharedClock } from '../../connectors/http/shared-clock.ts';
import { orderOf, positionOf } from '../../core/position.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';
import { systemClock } from '../process/clock.ts';
import { createIngestStore } from './ingest-store.ts';

const hourUs = 3_600_000_000;
const aheadUs = 3_000_000;

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase(8);
});
afterAll(() => database.close());
beforeEach(async () => {
  await database.pool.query('UPDATE position_clock SET shift_us = 0, read_us = 0, through_us = 0');
});

/** As if the server's clock had been that much ahead until now. */
async function setServerBack(us: number): Promise<void> {
  await database.pool.query(
    'UPDATE position_clock SET shift_us = shift_us + $1, read_us = read_us + $1, through_us = through_us + $1',
    [us],
  );
  await database.pool.query('UPDATE position_clock SET shift_us = shift_us - $1', [us]);
}

describe('the clock that positions are drawn from', () => {
  const start = { atLeastUs: null, drawnUs: 0, aheadUs };

  test('is the server’s, and says how far others may have drawn', async () => {
    const store = createIngestStore(database.pool);
    const first = await store.reserve(start);
    expect(Math.abs(first.nowUs - Date.now() * 1_000)).toBeLessThan(60_000_000);
    const second = await store.reserve(start);
    expect(second.nowUs).toBeGreaterThan(first.nowUs);
    expect(second.reservedThroughUs).toBe(first.nowUs + aheadUs);
    await store.reserve({ ...start, drawnUs: first.nowUs + 7 * hourUs });
    expect((await store.reserve(start)).reservedThroughUs).toBe(first.nowUs + 7 * hourUs);
  });

  test('goes on above everything drawn when the server’s was set back', async () => {
    const store = createIngestStore(database.pool);
    await store.reserve(start);
    await setServerBack(hourUs);
    const { nowUs, reservedThroughUs } = await store.reserve(start);
    expect(nowUs).toBeGreaterThanOrEqual(reservedThroughUs);
    expect((await store.reserve(start)).nowUs).toBeGreaterThan(nowUs);
  });

  test('never shows less than a process knows that it shows', async () => {
    const store = createIngestStore(database.pool);
    const { nowUs } = await store.reserve(start);
    const known = { ...start, atLeastUs: nowUs + hourUs };
    expect((await store.reserve(known)).nowUs).toBe(nowUs + hourUs);
    expect((await store.reserve(start)).nowUs).toBeGreaterThan(nowUs + hourUs);
  });

  test('rises for everyone who asks at once', async () => {
    const store = createIngestStore(database.pool);
    const readings: number[] = [];
    const ask = async () => {
      for (let time = 0; time < 40; time++) readings.push((await store.reserve(start)).nowUs);
    };
    await Promise.all(Array.from({ length: 6 }, ask));
    expect(Math.max(...readings) - Math.min(...readings)).toBeLessThan(60_000_000);
    expect(new Set(readings).size).toBe(readings.length);
  });
});

test('what a process draws after another has answered is higher, though their machines’ clocks are apart', async () => {
  const open = (aheadMs: number, instance: string) => {
    const shared = new SharedClock(createIngestStore(database.pool), systemClock, () => performance.now() + aheadMs);
    return { shared, draw: createPositionDraw(shared, instance) };
  };
  const processes = [open(0, 'a'), open(5_000_000, 'b'), open(-70_000, 'c')];
  const drawn: string[] = [];
  for (let post = 0; post < 600; post++) {
    const { draw } = processes[post % processes.length]!;
    await draw.ready();
    const position = draw.next();
    await draw.passed(position);
    drawn.push(position);
  }
  await Promise.all(processes.map(({ shared }) => shared.close()));
  expect(drawn).toEqual([...drawn].sort());
});

test('positions drawn from the machines’ own clocks are below the first of the shared one', async () => {
  const migration = await readFile(new URL('./migrations/0002_order.sql', import.meta.url), 'utf8');
  const latest = Date.now() * 1_000 + 60_000_000;
  const insert = `INSERT INTO sync_state (entity_id, source_type, last_sync_at, version, status, kind, position, event_id)
    VALUES ($1, 'S', now(), 1, 'synced', 'k', $2, gen_random_uuid())`;
  await database.pool.query(insert, ['k:1', `${positionOf(1, orderOf(latest))}-a1b2c3d4`]);
  await database.pool.query(insert, ['k:2', positionOf(1, orderOf(latest + 5))]);
  await database.pool.query(insert, ['k:3', `${positionOf(1, '0fffffffffffffff')}-x`]);
  await database.pool.query('DROP TABLE refused_changes, position_clock');
  await database.pool.query(migration);
  const { nowUs, reservedThroughUs } = await createIngestStore(database.pool).reserve({ atLeastUs: null, drawnUs: 0, aheadUs });
  expect([nowUs, reservedThroughUs]).toEqual([latest, latest]);
});
