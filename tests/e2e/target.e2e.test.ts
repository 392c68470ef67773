import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openTestDatabase } from '../test-database.ts';
import { startSyncline } from './started-syncline.ts';

const config = fileURLToPath(new URL('../fixtures/config/target.yml', import.meta.url));

test('what is posted reaches the table of a target, and leaves it when it is deleted', { timeout: 240_000 }, async () => {
  const warehouse = await openTestDatabase();
  const dataDir = mkdtempSync(join(tmpdir(), 'syncline-target-'));
  await warehouse.pool.query('CREATE TABLE product (sku TEXT PRIMARY KEY, label TEXT, stock INT)');
  const rows = async () => (await warehouse.pool.query('SELECT * FROM product ORDER BY sku')).rows;
  const syncline = await startSyncline(dataDir, { SYNCLINE_CONFIG: config, WAREHOUSE_URL: warehouse.url });
  try {
    const events = `${syncline.runtime.api}/events/products`;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${syncline.adminKey}` };
    for (const [sku, stock] of [['A', 1] as const, ['B', 2] as const]) {
      const answer = await fetch(events, { method: 'POST', headers, body: JSON.stringify({ sku, name: 'Chair', stock }) });
      expect(answer.status).toBe(200);
    }
    const wanted = [
      { sku: 'A', label: 'CHAIR', stock: 1 },
      { sku: 'B', label: 'CHAIR', stock: 2 },
    ];
    await expect.poll(rows, { timeout: 60_000 }).toEqual(wanted);
    expect((await fetch(`${events}/B`, { method: 'DELETE', headers })).status).toBe(200);
    await expect.poll(rows, { timeout: 60_000 }).toEqual(wanted.slice(0, 1));
  } finally {
    syncline.signal('SIGINT');
    await syncline.ended;
    await warehouse.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
