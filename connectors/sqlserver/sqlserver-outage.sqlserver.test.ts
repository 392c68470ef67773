import { expect, it } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import { SourceHouse } from '../../tests/source-world.ts';
import { createTestSqlServer, openTestServer, sqlServerReader } from '../../tests/sqlserver-database.ts';
import { createPolledSource } from '../tables/polled-source.ts';
import { polledTableOptions } from '../tables/table-options.ts';

const kind = 'product';
const patience = { timeout: 60_000, interval: 50 };

it('a server that goes away while a table is read loses nothing, and reading goes on at its chunk', {
  timeout: 180_000,
}, async () => {
  const server = await openTestServer();
  const database = await createTestSqlServer(server.url);
  const house = new SourceHouse([kind]);
  const source = createPolledSource({
    tables: [{ kind, key: [], occurredAt: undefined, options: polledTableOptions.parse({ every: '200ms' }) }],
    reader: sqlServerReader(database.url, '5s'),
    polling: { intervalMs: 200, batchRecordsMax: 100 },
    clock: systemClock,
  });
  try {
    await database.run(`CREATE TABLE ${kind} (id INT PRIMARY KEY, qty INT)`);
    for (let from = 1; from <= 5_000; from += 500) {
      const rows = Array.from({ length: 500 }, (_, at) => `(${from + at}, ${from + at})`);
      await database.run(`INSERT INTO ${kind} VALUES ${rows.join(', ')}`);
    }
    await house.start(source);
    await expect.poll(() => house.records(kind).length, patience).toBeGreaterThan(500);
    await server.goAway();
    const before = house.records(kind).length;
    await expect.poll(() => house.view(kind)?.errorCode, patience).toBe('source.unavailable');
    expect(before).toBeLessThan(5_000);
    await server.comeBack();
    await database.run(`UPDATE ${kind} SET qty = 0 WHERE id % 1000 = 1`, `DELETE FROM ${kind} WHERE id % 1000 = 2`);
    const told = async () => {
      const known = [...(await house.told(kind)).values()];
      return [known.length, known.filter(({ qty }) => qty === 0).length];
    };
    await expect.poll(told, patience).toEqual([4_995, 5]);
    expect(house.records(kind).length).toBeLessThan(5_000 + 500);
  } finally {
    await house.close();
    await source.close();
    await database.close();
    await server.stop();
  }
});
