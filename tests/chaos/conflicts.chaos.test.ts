import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase } from '../test-database.ts';
import { type ChaosStack, seededRandom, startChaosStack } from './harness.ts';
import { type Product, Quarrel, quarrellers } from './quarrel.ts';

const config = fileURLToPath(new URL('../fixtures/config/quarrel.yml', import.meta.url));
const kills = Math.max(6, Math.floor(Number(process.env.CHAOS_KILLS ?? 0) / 3));
const products = 1_000;
const contestedMin = 100;
const patienceMs = 120_000;

describe('two sources that fight over the same products', () => {
  let stack: ChaosStack;
  beforeAll(async () => {
    stack = await startChaosStack();
  }, 180_000);
  afterAll(() => stack.stop());

  it(
    `through ${kills} kills of the stages and of the target's process: every sale counts, every field ends as its rule says, every loser is in the log, the target holds the same`,
    async () => {
      const random = seededRandom('quarrel');
      const warehouse = await openTestDatabase();
      await warehouse.pool.query('CREATE TABLE product (sku TEXT PRIMARY KEY, name TEXT, price NUMERIC, stock INT)');
      const installation = await stack.install({
        config,
        env: { WAREHOUSE_URL: warehouse.url },
        roles: ['processor', 'processor', 'sync-manager', 'sync-manager', 'target', 'target', 'api'],
      });
      const quarrel = new Quarrel(random, products);
      await quarrel.start(installation.kafka, installation.prefix, 400);
      const victims = installation.roles.seats.filter(({ role }) => role !== 'api');
      for (let kill = 0; kill < kills; kill++) {
        await sleep(random.between(500, 3_000));
        const seat = random.pick(victims);
        while (!seat.kill()) await sleep(20);
      }
      // However slow the machine is: there must have been something to fight over.
      while (quarrel.contested().length < contestedMin) await sleep(200);
      await quarrel.stop();
      await installation.rest(patienceMs);

      const stored = async (sourceType: string) => {
        const rows = await installation.query<{ data: Product }>(
          `SELECT data FROM sync_state WHERE source_type = $1 AND kind = 'products' ORDER BY entity_id`,
          [sourceType],
        );
        return rows.map(({ data }) => data).sort(bySku);
      };
      for (const source of quarrellers) expect(await stored(source.toUpperCase())).toEqual(quarrel.lastSaid(source).sort(bySku));
      const outcome = quarrel.outcome().sort(bySku);
      expect(await stored('GOLDEN')).toEqual(outcome);

      const logged = await installation.query<{ sku: string; field: string }>(
        `SELECT DISTINCT substr(entity_id, 10) AS sku, unnest(fields) AS field FROM conflict_log`,
      );
      const known = new Set(logged.map(({ sku, field }) => `${sku} ${field}`));
      const contested = quarrel.contested();
      expect(contested.filter(({ sku, field }) => !known.has(`${sku} ${field}`))).toEqual([]);
      expect(await installation.query(`SELECT * FROM conflict_log WHERE status = 'open'`)).toEqual([]);

      const counted = await installation.query<{ n: number }>('SELECT sum(records)::int AS n FROM raw_outcomes');
      expect(counted).toEqual([{ n: quarrel.sent }]);
      const distinct = await installation.query<{ n: number }>('SELECT count(*)::int AS n FROM source_events');
      expect(distinct[0]!.n).toBeLessThanOrEqual(quarrel.sent);
      const differing = await installation.query<{ n: number }>('SELECT count(*)::int AS n FROM differences');
      const [shop, erp] = [quarrel.lastSaid('shop'), quarrel.lastSaid('erp')];
      const unequal = shop.filter((product, at) => JSON.stringify(product) !== JSON.stringify(erp[at]));
      expect(differing).toEqual([{ n: unequal.length }]);

      const held = async () =>
        (await warehouse.pool.query<Product>('SELECT sku, name, price::float AS price, stock FROM product')).rows.sort(bySku);
      await expect.poll(held, { timeout: patienceMs, interval: 500 }).toEqual(outcome);
      expect(installation.roles.seats.reduce((sum, { starts }) => sum + starts, 0)).toBeGreaterThanOrEqual(
        installation.roles.seats.length + kills,
      );
      await installation.stop();
      await warehouse.close();
    },
    480_000 + kills * 20_000,
  );
});

function bySku(left: Product, right: Product): number {
  return left.sku < right.sku ? -1 : 1;
}
