import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../test-database.ts';
import { type StartedSyncline, startSyncline } from './started-syncline.ts';

const config = fileURLToPath(new URL('../fixtures/config/two-way.yml', import.meta.url));
const skus = ['A', 'B', 'C', 'D', 'E'];
const quietMs = 3_000;
const patienceMs = 90_000;

/** A system with a table of its own, which tells of every change of a row, whoever made it, as shops do by webhook. */
class ToldSystem {
  readonly #name: string;
  readonly #database: TestDatabase;
  #told = 0;

  constructor(name: string, database: TestDatabase) {
    this.#name = name;
    this.#database = database;
  }

  get told(): number {
    return this.#told;
  }

  async open(): Promise<void> {
    await this.#database.pool.query(`
      CREATE TABLE product (sku TEXT PRIMARY KEY, name TEXT, price NUMERIC(10,2), stock INT);
      CREATE TABLE news (n BIGSERIAL PRIMARY KEY, sku TEXT, record JSONB);
      CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO news (sku, record) VALUES (coalesce(NEW.sku, OLD.sku), to_jsonb(NEW)); RETURN NULL; END $$;
      CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON product FOR EACH ROW EXECUTE FUNCTION tell()`);
  }

  async edit(sql: string, ...values: unknown[]): Promise<void> {
    await this.#database.pool.query(sql, values);
  }

  async rows(): Promise<unknown[]> {
    return (await this.#database.pool.query('SELECT sku, name, price::text, stock FROM product ORDER BY sku')).rows;
  }

  /** Sends the oldest news; false when there are none. */
  async tell({ runtime, adminKey }: StartedSyncline): Promise<boolean> {
    const { rows } = await this.#database.pool.query<{ n: string; sku: string; record: object | null }>(
      'SELECT * FROM news ORDER BY n LIMIT 1',
    );
    const [news] = rows;
    if (news === undefined) return false;
    const address = `${runtime.api}/events/products${news.record === null ? `/${news.sku}` : ''}?source=${this.#name}`;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${adminKey}` };
    const answer = await fetch(
      address,
      news.record === null ? { method: 'DELETE', headers } : { method: 'POST', headers, body: JSON.stringify(news.record) },
    );
    expect(answer.status, await answer.text()).toBe(200);
    await this.#database.pool.query('DELETE FROM news WHERE n = $1', [news.n]);
    this.#told++;
    return true;
  }
}

test('two systems that are edited at once and told of each other end equal, sales add up, and then nothing moves', {
  timeout: 360_000,
}, async () => {
  const databases = [await openTestDatabase(), await openTestDatabase()] as const;
  const [shop, erp] = [new ToldSystem('shop', databases[0]), new ToldSystem('erp', databases[1])];
  await Promise.all([shop.open(), erp.open()]);
  const dataDir = mkdtempSync(join(tmpdir(), 'syncline-two-way-'));
  const env = { SYNCLINE_CONFIG: config, SHOP_URL: databases[0].url, ERP_URL: databases[1].url };
  const syncline = await startSyncline(dataDir, env);
  let telling = true;
  const tellers = [shop, erp].map(async (system) => {
    while (telling) if (!(await system.tell(syncline))) await sleep(20);
  });
  const quiet = async () => {
    const untilMs = Date.now() + patienceMs;
    for (let seen = -1; seen !== shop.told + erp.told; await sleep(quietMs)) {
      seen = shop.told + erp.told;
      if (Date.now() > untilMs) throw new Error(`still telling after ${patienceMs} ms`);
    }
  };
  try {
    for (const sku of skus) await erp.edit('INSERT INTO product VALUES ($1, $2, 10, 100)', sku, `Lamp ${sku}`);
    await expect.poll(() => shop.rows(), { timeout: patienceMs }).toHaveLength(skus.length);
    await quiet();

    let sold = 0;
    for (let round = 0; round < 60; round++) {
      const sku = skus[round % skus.length]!;
      const [here, there] = round % 2 === 0 ? [shop, erp] : [erp, shop];
      await here.edit('UPDATE product SET stock = stock - 1 WHERE sku = $1', sku);
      await there.edit('UPDATE product SET stock = stock - 2 WHERE sku = $1', sku);
      sold += 3;
      if (round % 7 === 0) await here.edit('UPDATE product SET price = $2 WHERE sku = $1', sku, 10 + round);
      if (round % 9 === 0) await there.edit('UPDATE product SET name = $2 WHERE sku = $1', sku, `Lamp ${sku} ${round}`);
      await sleep(40);
    }
    await quiet();
    const rows = (await erp.rows()) as { stock: number }[];
    expect(await shop.rows()).toEqual(rows);
    expect(rows.reduce((sum, { stock }) => sum + stock, 0)).toBe(skus.length * 100 - sold);

    await shop.edit(`DELETE FROM product WHERE sku = 'C'`);
    await expect.poll(() => erp.rows(), { timeout: patienceMs }).toHaveLength(skus.length - 1);
    await quiet();
    expect(await shop.rows()).toEqual(await erp.rows());
    expect(await syncline.get('/api/differences')).toMatchObject({ body: { items: [] } });
    expect(await syncline.get('/api/accounting')).toMatchObject({ body: { balanced: true } });
  } finally {
    telling = false;
    await Promise.allSettled(tellers);
    syncline.signal('SIGINT');
    await syncline.ended;
    await Promise.all(databases.map((database) => database.close()));
    rmSync(dataDir, { recursive: true, force: true });
  }
});
