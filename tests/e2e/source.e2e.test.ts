import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, test } from 'vitest';
import { openTestDatabase } from '../test-database.ts';
import { startSyncline } from './started-syncline.ts';

const config = fileURLToPath(new URL('../fixtures/config/source.yml', import.meta.url));
const patience = { timeout: 90_000, interval: 200 };
const rows = 20_000;

test('a table that is compared is in the tables as it stands, with a reader that is killed while it reads, and every record is accounted for', {
  timeout: 300_000,
}, async () => {
  const erp = await openTestDatabase();
  await erp.pool.query(`CREATE TABLE product (sku TEXT PRIMARY KEY, name TEXT, price NUMERIC(12,2), stock BIGINT);
    INSERT INTO product SELECT 'P' || n, 'Lamp ' || n, n / 100.0, n FROM generate_series(1, ${rows}) AS n`);
  const dataDir = mkdtempSync(join(tmpdir(), 'syncline-source-'));
  const syncline = await startSyncline(dataDir, { SYNCLINE_CONFIG: config, ERP_URL: erp.url });
  const inside = new pg.Pool({ connectionString: syncline.runtime.postgres, max: 2 });
  const one = async <T>(text: string): Promise<T> => (await inside.query<{ is: T }>(text)).rows[0]!.is;
  const readerPid = () =>
    one<number>(`SELECT (details->>'pid')::int AS is FROM role_reports WHERE role = 'source' ORDER BY reported_at DESC LIMIT 1`);
  const known = `FROM sync_state WHERE source_type = 'ERP' AND status = 'synced'`;
  try {
    await expect.poll(() => one<number>(`SELECT count(*)::int AS is ${known}`), patience).toBeGreaterThan(500);
    const killed = await readerPid();
    process.kill(killed, 'SIGKILL');
    await erp.pool.query(
      `UPDATE product SET stock = stock + 1000000 WHERE sku LIKE 'P1%'; DELETE FROM product WHERE sku LIKE 'P2%'`,
    );
    await expect.poll(readerPid, patience).not.toBe(killed);
    const wanted = async () =>
      (await erp.pool.query(`SELECT count(*)::int AS rows, sum(stock)::text AS stock, sum(price)::text AS price FROM product`))
        .rows[0];
    const stands = async () =>
      (
        await inside.query(`SELECT count(*)::int AS rows, sum((data->>'stock')::numeric)::text AS stock,
          sum((data->>'price')::numeric(12,2))::text AS price ${known}`)
      ).rows[0];
    await expect.poll(stands, patience).toEqual(await wanted());

    await erp.pool.query(`UPDATE product SET price = price * 2 WHERE sku LIKE '%7'; DELETE FROM product WHERE sku LIKE '%9';
      INSERT INTO product VALUES ('new', 'New', 1, 1)`);
    await expect.poll(stands, patience).toEqual(await wanted());
    await expect.poll(() => syncline.get('/api/accounting'), patience).toMatchObject({ body: { balanced: true } });
  } finally {
    await inside.end();
    syncline.signal('SIGINT');
    await syncline.ended;
    await erp.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
