import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChaosStack, type Installation, startChaosStack } from '../chaos/harness.ts';
import { openTestDatabase, type TestDatabase } from '../test-database.ts';
import { eventually } from './eventually.ts';

const config = fileURLToPath(new URL('../fixtures/config/identity.yml', import.meta.url));

let stack: ChaosStack;
let installation: Installation;
let warehouse: TestDatabase;
beforeAll(async () => {
  stack = await startChaosStack();
  warehouse = await openTestDatabase();
  await warehouse.pool.query('CREATE TABLE product (sku TEXT PRIMARY KEY, title TEXT, price NUMERIC)');
  const env = { WAREHOUSE_URL: warehouse.url };
  installation = await stack.install({ config, env, roles: ['processor', 'sync-manager', 'api', 'target'] });
  await eventually(async () => (await fetch(`${installation.api}/ready`)).status === 200);
}, 180_000);
afterAll(async () => {
  await stack.stop();
  await warehouse.close();
});

type Source = 'shop' | 'erp';
interface Product {
  readonly id: string;
  readonly sku?: string;
  readonly barcode?: string;
  readonly title?: string;
  readonly price?: number;
}

async function says(source: Source, product: Product): Promise<void> {
  const answer = await fetch(`${installation.api}/events/products?source=${source}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(product),
  });
  expect(answer.status, await answer.text()).toBe(200);
  await installation.rest();
}

async function deletes(source: Source, id: string): Promise<void> {
  const answer = await fetch(`${installation.api}/events/products/${id}?source=${source}`, { method: 'DELETE' });
  expect(answer.status).toBe(200);
  await installation.rest();
}

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
async function ask(method: string, path: string, body?: unknown): Promise<{ status: number; body: any }> {
  const response = await fetch(installation.api + path, {
    method,
    headers: { authorization: `Bearer ${installation.adminKey}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

async function ordered(what: string, body: unknown): Promise<void> {
  const answer = await ask('POST', `/api/identity/${what}`, body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(202);
  await installation.rest();
}

async function links(entityId: string) {
  const { status, body } = await ask('GET', `/api/entities/${encodeURIComponent(entityId)}/links`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
}

/** What the tables say of an entity, by source; undefined where it says nothing, null where it is deleted. */
async function stateOf(entityId: string): Promise<Record<string, Product | null>> {
  const rows = await installation.query<{ source_type: string; data: Product | null }>(
    'SELECT source_type, data FROM sync_state WHERE entity_id = $1',
    [entityId],
  );
  return Object.fromEntries(rows.map(({ source_type, data }) => [source_type, data]));
}

/** What the target ends with of these: `sku title price`. */
async function expectInWarehouse(skus: readonly string[], rows: readonly string[]): Promise<void> {
  const found = async () => {
    const answer = await warehouse.pool.query<{ row: string }>(
      `SELECT concat_ws(' ', sku, title, price) AS row FROM product WHERE sku = ANY($1) ORDER BY sku`,
      [skus],
    );
    return answer.rows.map(({ row }) => row);
  };
  await expect.poll(found, { timeout: 60_000 }).toEqual(rows);
}

async function expectBalanced(): Promise<void> {
  const { body } = await ask('GET', '/api/accounting');
  expect(body).toMatchObject({ balanced: true, atRest: true, inFlight: 0 });
}

describe('records of two systems', () => {
  it('find each other by their SKU, and a record whose SKU becomes that of another entity moves there', async () => {
    await says('shop', { id: '1', sku: 'L-1', title: 'Lamp' });
    await says('erp', { id: '900', sku: ' l-1 ', price: 10 });
    await says('erp', { id: '901', sku: 'L-2', price: 20 });
    expect(Object.keys(await stateOf('products:L-1')).sort()).toEqual(['ERP', 'GOLDEN', 'SHOP']);

    await says('shop', { id: '1', sku: 'L-2', title: 'Lamp two' });
    const before = await stateOf('products:L-1');
    expect(Object.keys(before).sort()).toEqual(['ERP', 'GOLDEN']);
    expect(before.GOLDEN).toMatchObject({ id: '900', price: 10 });
    expect(before.GOLDEN).not.toHaveProperty('title');
    const after = await stateOf('products:L-2');
    expect(after.SHOP).toEqual({ id: '1', sku: 'L-2', title: 'Lamp two' });
    expect(after.GOLDEN).toMatchObject({ title: 'Lamp two', price: 20 });

    await says('shop', { id: '1', sku: 'L-2', title: 'Lamp 2' });
    expect((await stateOf('products:L-2')).GOLDEN).toMatchObject({ title: 'Lamp 2', price: 20 });
    const { history, records } = await links('products:L-2');
    expect(records).toMatchObject([
      { source: 'erp', key: '901', matchKeys: ['sku=L-2'] },
      { source: 'shop', key: '1', matchKeys: ['sku=L-2'], inTransit: false },
    ]);
    expect(history).toMatchObject([{ reason: 'match-key', matchKey: 'sku=L-2', previous: 'products:L-1', by: null }]);
    await expectBalanced();
  }, 60_000);

  it('that meet late become one when the later gets the barcode of the earlier, and nothing is left of its own', async () => {
    await says('shop', { id: '20', sku: 'S-20', title: 'Desk' });
    await says('erp', { id: '920', sku: 'E-920', price: 5 });
    await says('shop', { id: '20', sku: 'S-20', title: 'Desk', barcode: '4711' });
    await says('erp', { id: '920', sku: 'E-920', price: 5, barcode: '4711' });
    expect(await stateOf('products:E-920')).toEqual({ GOLDEN: null });
    expect((await stateOf('products:S-20')).GOLDEN).toMatchObject({ title: 'Desk', price: 5, barcode: '4711' });
    await expectInWarehouse(['S-20', 'E-920'], ['S-20 Desk 5']);
    expect(await links('products:E-920')).toMatchObject({ mergedInto: 'products:S-20', records: [] });
    const { body } = await ask('GET', '/api/entities/products%3AE-920/history');
    expect(body.items[0]).toMatchObject({ eventType: 'leave', deleted: true, sourceType: 'ERP', sourceId: '920' });
    await expectBalanced();
  }, 60_000);

  it('get another key at their source: the new one takes over when the old one is gone, in whichever order that is told', async () => {
    await says('shop', { id: '30', sku: 'K-1', title: 'Chair' });
    await says('erp', { id: '930', sku: 'K-1', price: 7 });
    await deletes('shop', '30');
    await says('shop', { id: '31', sku: 'K-1', title: 'Chair again' });
    expect((await stateOf('products:K-1')).SHOP).toEqual({ id: '31', sku: 'K-1', title: 'Chair again' });

    await says('shop', { id: '32', sku: 'K-1', title: 'Chair for ever' });
    expect((await stateOf('products:K-1')).SHOP).toMatchObject({ id: '31' });
    await deletes('shop', '31');
    await eventually(async () => (await stateOf('products:K-1')).SHOP?.id === '32');
    await installation.rest();
    expect((await stateOf('products:K-1')).GOLDEN).toMatchObject({ title: 'Chair for ever', price: 7 });
    await expectBalanced();
  }, 60_000);

  it('are merged, split and linked by hand, with the name of who did it', async () => {
    await says('shop', { id: '40', sku: 'M-1', title: 'Bed' });
    await says('erp', { id: '940', sku: 'M-2', price: 9 });
    await expectInWarehouse(['M-1', 'M-2'], ['M-1 Bed', 'M-2 9']);
    await ordered('merge', { from: 'products:M-2', into: 'products:M-1' });
    await expectInWarehouse(['M-1', 'M-2'], ['M-1 Bed 9']);
    expect(await stateOf('products:M-2')).toEqual({ GOLDEN: null });
    expect((await stateOf('products:M-1')).GOLDEN).toMatchObject({ title: 'Bed', price: 9 });
    expect(await links('products:M-2')).toMatchObject({ mergedInto: 'products:M-1', matchKeys: [] });
    expect((await links('products:M-1')).matchKeys).toEqual(['sku=M-1', 'sku=M-2']);
    expect((await ask('POST', '/api/identity/merge', { from: 'products:M-2', into: 'products:M-1' })).body).toEqual({
      eventIds: [],
    });

    await ordered('split', { source: 'erp', kind: 'products', key: '940' });
    expect((await stateOf('products:M-1')).ERP).toBeUndefined();
    expect((await stateOf('products:/erp/940')).GOLDEN).toMatchObject({ price: 9 });
    await expectInWarehouse(['M-1', 'M-2'], ['M-1 Bed', 'M-2 9']);
    await says('erp', { id: '940', sku: 'M-2', price: 10 });
    expect((await stateOf('products:/erp/940')).GOLDEN).toMatchObject({ price: 10 });

    await ordered('link', { source: 'erp', kind: 'products', key: '940', entityId: 'products:M-1' });
    expect((await stateOf('products:M-1')).GOLDEN).toMatchObject({ title: 'Bed', price: 10 });
    await expectInWarehouse(['M-1', 'M-2'], ['M-1 Bed 10']);
    const { history } = await links('products:M-1');
    expect(history.map((turn: { reason: string }) => turn.reason)).toEqual(['link', 'split', 'merge']);
    expect(history[0].by).toContain('admin');
    await expectBalanced();
  }, 60_000);

  it('are not moved where that makes no sense, and the answer says why', async () => {
    await says('shop', { id: '50', sku: 'N-1' });
    await says('shop', { id: '51', sku: 'N-2' });
    await says('erp', { id: '950', sku: 'N-1' });
    const refused = async (what: string, body: unknown) => {
      const answer = await ask('POST', `/api/identity/${what}`, body);
      return [answer.status, answer.body.detail];
    };
    const record = { source: 'erp', kind: 'products', key: '950' };
    expect(await refused('merge', { from: 'products:N-1', into: 'products:N-2' })).toEqual([
      409,
      'a source has a record of its own under both: shop (50 and 51)',
    ]);
    expect((await refused('merge', { from: 'products:N-1', into: 'products:N-1' }))[0]).toBe(400);
    expect((await refused('link', { ...record, entityId: 'products:N-1' }))[0]).toBe(409);
    expect((await refused('link', { ...record, entityId: 'products:unheard-of' }))[0]).toBe(404);
    expect((await refused('link', { ...record, entityId: 'orders:1' }))[0]).toBe(400);
    expect((await refused('link', { ...record, key: '999', entityId: 'products:N-2' }))[0]).toBe(404);
    expect((await refused('link', { source: 'shop', kind: 'products', key: '50', entityId: 'products:N-2' }))[0]).toBe(409);
    expect((await refused('link', { source: 'erp', kind: 'notes', key: '1', entityId: 'notes:1' }))[0]).toBe(400);
    expect((await refused('split', { source: 'shop', kind: 'products', key: '51' }))[0]).toBe(409);
    expect((await refused('split', { ...record, entityId: 'products:N-2' }))[0]).toBe(409);
    await expectBalanced();
  }, 60_000);
});
