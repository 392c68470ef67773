import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { acquireTestStack, type TestStack } from '../../stack/test-stack.ts';
import { createTestFirebird, type TestFirebird } from '../../tests/firebird-database.ts';
import { SourceHouse } from '../../tests/source-world.ts';
import { install, planInstall } from './changelog-install.ts';
import { firebirdTableOptions } from './firebird-options.ts';
import { createFirebirdSource } from './firebird-source.ts';

const patience = { timeout: 60_000, interval: 100 };
const rowsOfA = 3_000;
const rowsOfB = 1_500;

let stack: TestStack;
const houses: SourceHouse[] = [];
const connectors: SourceConnector[] = [];
const databases: TestFirebird[] = [];

beforeEach(async () => {
  stack = await acquireTestStack(['firebird']);
});
afterEach(async () => {
  for (const house of houses.splice(0)) await house.close();
  for (const connector of connectors.splice(0)) await connector.close();
  for (const database of databases.splice(0)) await database.close();
  await stack.stop();
});

async function open(characterSet: 'UTF8' | 'WIN1252', rows: number): Promise<TestFirebird> {
  const database = await createTestFirebird(stack.addresses.firebird!, characterSet);
  databases.push(database);
  await database.run('CREATE TABLE PRODUCT (ID INT NOT NULL PRIMARY KEY, NAME VARCHAR(30), QTY INT)');
  await database.run(
    `EXECUTE BLOCK AS DECLARE N INT = 0; BEGIN WHILE (N < ${rows}) DO BEGIN N = N + 1; INSERT INTO PRODUCT VALUES (:N, 'Sofá ' || :N, :N); END END`,
  );
  return database;
}

async function start(database: TestFirebird, mode: 'compare' | 'changelog'): Promise<SourceHouse> {
  const polling = mode === 'compare' ? { every: '200ms' } : { pollEvery: '200ms' };
  const connector = createFirebirdSource({
    place: { ...database.place, timeoutMs: 5_000 },
    entities: [{ kind: 'product', key: [], occurredAt: undefined, options: firebirdTableOptions.parse({ mode, ...polling }) }],
    polling: { intervalMs: 200, batchRecordsMax: 50 },
    clock: systemClock,
  });
  connectors.push(connector);
  const house = new SourceHouse(['product']);
  houses.push(house);
  await house.start(connector);
  return house;
}

it('two databases at once, whose server is killed while both are read and again while they change, lose nothing', {
  timeout: 180_000,
}, async () => {
  const [a, b] = [await open('UTF8', rowsOfA), await open('WIN1252', rowsOfB)];
  await b.pool.close();
  await install(b.place, await planInstall(b.place, [{ table: 'PRODUCT', key: [] }], undefined));
  const [left, right] = [await start(a, 'compare'), await start(b, 'changelog')];
  await expect
    .poll(() => Math.min(left.records('product').length, right.records('product').length), patience)
    .toBeGreaterThan(100);
  await killServer();
  expect(left.records('product').length).toBeLessThan(rowsOfA);
  await changed(a, 'ID <= 500', 'ID = 501');
  await changed(b, 'ID <= 500', 'ID = 501');
  await holds(left, a);
  await holds(right, b);
  const changing = changed(b, 'ID > 1000', 'ID = 1001');
  await changing;
  await killServer();
  await changed(a, 'ID > 2000', 'ID = 2001');
  await holds(left, a);
  await holds(right, b);
});

async function killServer(): Promise<void> {
  await stack.part('firebird').kill();
  await stack.part('firebird').start();
}

async function changed(database: TestFirebird, updated: string, deleted: string): Promise<void> {
  await database.run(`UPDATE PRODUCT SET QTY = QTY + 10000 WHERE ${updated}`);
  await database.run(`DELETE FROM PRODUCT WHERE ${deleted}`);
}

async function holds(house: SourceHouse, database: TestFirebird): Promise<void> {
  const rows = await database.rows('SELECT ID, QTY, NAME FROM PRODUCT ORDER BY ID');
  const wanted = Object.fromEntries(rows.map(([id, qty, name]) => [String(id), `${qty} ${name}`]));
  const told = async () =>
    Object.fromEntries([...(await house.told('product'))].map(([key, { QTY, NAME }]) => [key, `${QTY} ${NAME}`]));
  await expect.poll(async () => Object.entries(await told()).length, patience).toBe(rows.length);
  await expect.poll(told, patience).toEqual(wanted);
}
