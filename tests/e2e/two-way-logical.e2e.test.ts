import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { slotOf, slotsAreFree } from '../logical-world.ts';
import { openTestDatabase } from '../test-database.ts';
import { RunningRoles } from './running-roles.ts';
import { startSyncline } from './started-syncline.ts';
import { expectAccounted, followed, quiet } from './stream-at-rest.ts';

const config = fileURLToPath(new URL('../fixtures/config/two-way-logical.yml', import.meta.url));
const patience = { timeout: 120_000, interval: 200 };
const skus = ['A', 'B', 'C', 'D', 'E'];
const sources = ['left', 'right'];
const rounds = 60;
const quickEdits = 60;
const stockOf = (rows: readonly { stock: number }[]) => rows.reduce((sum, { stock }) => sum + stock, 0);

test('two databases that replicate each other logically end equal, whoever is killed; a change makes two messages and no more', {
  timeout: 400_000,
}, async () => {
  const [left, right] = [await openTestDatabase(), await openTestDatabase()];
  for (const { pool } of [left, right])
    await pool.query('CREATE TABLE product (sku TEXT PRIMARY KEY, name TEXT, price NUMERIC(10,2), stock INT)');
  const rowsOf = async ({ pool }: typeof left) =>
    (await pool.query<{ sku: string; stock: number }>('SELECT sku, name, price::text, stock FROM product ORDER BY sku')).rows;
  const dataDir = mkdtempSync(join(tmpdir(), 'syncline-two-way-logical-'));
  const [LEFT_SLOT, RIGHT_SLOT] = [slotOf(left.url), slotOf(right.url)];
  const env = { SYNCLINE_CONFIG: config, LEFT_URL: left.url, RIGHT_URL: right.url, LEFT_SLOT, RIGHT_SLOT };
  const syncline = await startSyncline(dataDir, env);
  const roles = new RunningRoles(syncline);
  const told = () => quiet(syncline, sources, 'products');
  try {
    await followed(syncline);
    for (const sku of skus) await left.pool.query('INSERT INTO product VALUES ($1, $2, 10, 100)', [sku, `Lamp ${sku}`]);
    await expect.poll(() => rowsOf(right), patience).toHaveLength(skus.length);

    const before = await told();
    await left.pool.query(`UPDATE product SET price = 11 WHERE sku = 'A'`);
    await right.pool.query(`UPDATE product SET name = 'Lantern' WHERE sku = 'B'`);
    expect((await told()) - before, 'each change once, and once more as the echo of what we wrote').toBe(4);
    expect(await rowsOf(right)).toEqual(await rowsOf(left));
    expect(await rowsOf(left)).toMatchObject([{ price: '11.00' }, { name: 'Lantern' }, {}, {}, {}]);

    await left.pool.query(`INSERT INTO product VALUES ('X', 'Short-lived', 1, 1)`);
    await expect.poll(() => rowsOf(right), patience).toHaveLength(skus.length + 1);
    await right.pool.query(`UPDATE product SET price = 2 WHERE sku = 'X'`);
    await told();
    await right.pool.query(`DELETE FROM product WHERE sku = 'X'`);
    await told();
    expect(await rowsOf(left)).toHaveLength(skus.length);
    expect(await rowsOf(right)).toEqual(await rowsOf(left));
    expect(await syncline.get('/api/conflicts'), 'our own writes are nobody else’s word').toMatchObject({ body: { items: [] } });

    for (let n = 0; n < quickEdits; n++) {
      await right.pool.query(`UPDATE product SET name = $1 WHERE sku = 'C'`, [`Lamp C ${n}`]);
      await sleep(n);
    }
    await told();
    expect((await rowsOf(right))[2], 'who edits twice in a row is not answered with his own first edit').toMatchObject({
      name: `Lamp C ${quickEdits - 1}`,
    });
    expect(await rowsOf(left)).toEqual(await rowsOf(right));

    let sold = 0;
    for (let round = 0; round < rounds; round++) {
      const sku = skus[round % skus.length]!;
      const [here, there] = round % 2 === 0 ? [left, right] : [right, left];
      await Promise.all([
        here.pool.query('UPDATE product SET stock = stock - 1, name = $2 WHERE sku = $1', [sku, `Lamp ${sku} ${round}`]),
        there.pool.query('UPDATE product SET stock = stock - 2, price = $2 WHERE sku = $1', [sku, 10 + round]),
      ]);
      sold += 3;
      if (round === rounds / 2) await roles.kill('source');
      await sleep(40);
    }
    await told();
    expect(await rowsOf(left)).toEqual(await rowsOf(right));

    expect(stockOf(await rowsOf(left))).toBe(skus.length * 100 - sold);

    for (let round = 0; round < rounds; round++) {
      const sku = skus[round % skus.length]!;
      await Promise.all([
        left.pool.query('UPDATE product SET name = $2 WHERE sku = $1', [sku, `Lamp ${round}`]),
        right.pool.query('UPDATE product SET name = $2, price = $3 WHERE sku = $1', [sku, `Lantern ${round}`, 100 + round]),
      ]);
      if (round % 20 === 10) await roles.kill('target');
      await sleep(40);
    }
    const same = async () => isDeepStrictEqual(await rowsOf(left), await rowsOf(right));
    await expect.poll(same, patience).toBe(true);
    await told();
    await left.pool.query(`DELETE FROM product WHERE sku = 'E'; INSERT INTO product VALUES ('F', 'Lamp F', 1, 1)`);
    await roles.kill('target');
    await expect.poll(async () => (await rowsOf(right)).map(({ sku }) => sku), patience).toEqual(['A', 'B', 'C', 'D', 'F']);
    await told();
    const rows = await rowsOf(left);
    expect(await rowsOf(right)).toEqual(rows);
    const soldOfE = (rounds / skus.length) * 3;
    expect(stockOf(rows)).toBe(skus.length * 100 - sold - (100 - soldOfE) + 1);
    await expectAccounted(syncline);
  } finally {
    await roles.close();
    syncline.signal('SIGINT');
    await syncline.ended;
    for (const database of [left, right]) {
      await slotsAreFree(database);
      await database.pool.query(
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()`,
      );
      await database.close();
    }
    rmSync(dataDir, { recursive: true, force: true });
  }
});
