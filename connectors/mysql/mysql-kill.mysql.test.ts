import { expect, it } from 'vitest';
import { acquireTestStack } from '../../stack/test-stack.ts';
import { createTestMysql, mysqlPool } from '../../tests/mysql-database.ts';
import { polledSource } from '../../tests/polled-world.ts';
import { SourceHouse } from '../../tests/source-world.ts';
import { MysqlTableReader } from './mysql-table-reader.ts';

const kind = 'product';
const patience = { timeout: 60_000, interval: 50 };

it('a server that is killed while a table is read loses nothing, and reading goes on at its chunk', {
  timeout: 180_000,
}, async () => {
  const stack = await acquireTestStack(['mariadb']);
  const database = await createTestMysql(stack.addresses.mariadb!);
  const house = new SourceHouse([kind]);
  const source = polledSource(new MysqlTableReader(mysqlPool(database.url, 2, '5s')), {}, [{ kind }], 100);
  try {
    await database.run(
      `CREATE TABLE ${kind} (id INT PRIMARY KEY, qty INT)`,
      `INSERT INTO ${kind} SELECT seq, seq FROM seq_1_to_5000`,
    );
    await house.start(source);
    await expect.poll(() => house.records(kind).length, patience).toBeGreaterThan(500);
    await stack.part('mariadb').kill('SIGKILL');
    await expect.poll(() => house.view(kind)?.errorCode, patience).toBe('source.unavailable');
    const before = house.records(kind).length;
    expect(before).toBeLessThan(5_000);
    await stack.part('mariadb').start();
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
    await database.close().catch(() => undefined);
    await stack.stop();
  }
});
