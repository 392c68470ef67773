import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChaosStack, type Installation, startChaosStack } from '../chaos/harness.ts';
import { eventually } from './eventually.ts';

const config = fileURLToPath(new URL('../fixtures/config/conflicts.yml', import.meta.url));

let stack: ChaosStack;
let installation: Installation;
let labels: Labels;
beforeAll(async () => {
  stack = await startChaosStack();
  labels = await openLabels();
  const env = { LABELS_URL: labels.url };
  installation = await stack.install({ config, env, roles: ['processor', 'sync-manager', 'api'] });
  await eventually(async () => (await fetch(`${installation.api}/ready`)).status === 200);
}, 180_000);
afterAll(async () => {
  await stack.stop();
  labels.close();
});

interface Question {
  readonly fields: { readonly label: { readonly sides: readonly { readonly source: string; readonly value: string }[] } };
}

interface Labels {
  readonly url: string;
  readonly asked: Question[];
  close(): void;
}

/** Somebody's service that decides about labels: at first it is out of order, then the longer one wins. */
async function openLabels(): Promise<Labels> {
  const asked: Question[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const question = JSON.parse(Buffer.concat(chunks).toString()) as Question;
      asked.push(question);
      const values = question.fields.label.sides.map(({ value }) => value).sort((left, right) => right.length - left.length);
      response.writeHead(asked.length === 1 ? 500 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ fields: { label: values[0] } }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/labels`, asked, close: () => server.close() };
}

interface Product {
  readonly sku: string;
  readonly title?: string;
  readonly price?: number;
  readonly stock?: number;
  readonly tags?: readonly string[];
  readonly label?: string;
}

async function says(source: 'shop' | 'erp', product: Product): Promise<void> {
  const answer = await fetch(`${installation.api}/events/products?source=${source}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(product),
  });
  expect(answer.status, await answer.text()).toBe(200);
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

async function golden(sku: string): Promise<{ data: Product; version: string; status: string }> {
  const [row] = await installation.query<{ data: Product; version: string; status: string }>(
    `SELECT data, version, status FROM sync_state WHERE entity_id = $1 AND source_type = 'GOLDEN'`,
    [`products:${sku}`],
  );
  return row!;
}

async function openConflicts(sku: string) {
  const { status, body } = await ask('GET', `/api/conflicts?status=open&entity_id=products:${sku}`);
  expect(status).toBe(200);
  return body.items as { conflictId: string; fields: string[] }[];
}

describe('two systems that change the same things', () => {
  it('fields that one side changed merge by themselves, counters add up, lists unite, the rest goes by rank', async () => {
    const first = { sku: 'A', title: 'Lamp', price: 10, stock: 10, tags: ['new'] };
    await says('erp', first);
    await says('shop', first);
    await says('shop', { ...first, stock: 9, tags: ['new', 'sale'] });
    await says('erp', { ...first, stock: 8, price: 12, tags: ['new', 'lamp'] });
    await says('shop', { ...first, stock: 9, price: 11, tags: ['new', 'sale'] });
    const { data, status } = await golden('A');
    expect({ ...data, tags: [...data.tags!].sort() }).toEqual({
      sku: 'A',
      title: 'Lamp',
      price: 12,
      stock: 7,
      tags: ['lamp', 'new', 'sale'],
    });
    expect(status).toBe('synced');
    const log = await installation.query(
      `SELECT conflict_type, status, resolution, fields FROM conflict_log WHERE entity_id = 'products:A'`,
    );
    expect(log).toEqual([{ conflict_type: 'concurrent-update', status: 'resolved', resolution: 'priority', fields: ['price'] }]);
  }, 60_000);

  it('a field that waits for a person keeps its value until one decides, and a later change goes on from there', async () => {
    const first = { sku: 'B', title: 'Lamp', stock: 1 };
    await says('erp', first);
    await says('shop', first);
    await says('erp', { ...first, title: 'Desk lamp' });
    await says('shop', { ...first, title: 'Lampe' });
    expect(await golden('B')).toMatchObject({ data: { title: 'Desk lamp' }, status: 'conflict' });
    const [conflict] = await openConflicts('B');
    expect(conflict).toMatchObject({ fields: ['title'] });

    const answer = await ask('POST', `/api/conflicts/${conflict!.conflictId}/resolve`, { choose: 'SHOP' });
    expect(answer.status, JSON.stringify(answer.body)).toBe(202);
    await installation.rest();
    expect(await golden('B')).toMatchObject({ data: { title: 'Lampe' }, status: 'synced' });
    expect(await openConflicts('B')).toEqual([]);
    const again = await ask('POST', `/api/conflicts/${conflict!.conflictId}/resolve`, { choose: 'ERP' });
    expect(again.status).toBe(409);

    await says('erp', { ...first, title: 'Bed lamp' });
    expect(await golden('B')).toMatchObject({ data: { title: 'Bed lamp' }, status: 'synced' });
    const { body } = await ask('GET', '/api/entities/products%3AB/explain');
    expect(body.fields.find((field: { field: string }) => field.field === 'title')).toMatchObject({
      value: 'Bed lamp',
      source: 'ERP',
    });
    const history = await ask('GET', '/api/entities/products%3AB/history');
    expect(history.body.items.map((version: { data: Product }) => version.data.title)).toEqual([
      'Bed lamp',
      'Lampe',
      'Desk lamp',
      'Lamp',
    ]);
    expect(
      await installation.query('SELECT sum(records)::int AS n FROM raw_outcomes WHERE raw_topic LIKE $1', [
        '%source.operator.products',
      ]),
    ).toEqual([{ n: 1 }]);
  }, 60_000);

  it('a field that a service decides is asked for after the commit, again after a failure, and takes its answer', async () => {
    const first = { sku: 'E', title: 'Lamp', label: 'lamp' };
    await says('shop', first);
    await says('erp', first);
    await says('shop', { ...first, label: 'a lamp' });
    await says('erp', { ...first, label: 'a fine lamp' });
    await eventually(async () => (await golden('E')).data.label === 'a fine lamp');
    expect(labels.asked).toHaveLength(2);
    expect(await openConflicts('E')).toEqual([]);
  }, 60_000);

  it('what differs between them stands in the table until they agree again', async () => {
    const first = { sku: 'D', title: 'Lamp', price: 10 };
    const differing = async () => (await ask('GET', '/api/differences?entity_id=products:D')).body.items;
    await says('shop', first);
    expect(await differing()).toMatchObject([{ kind: 'only_left', leftSource: 'SHOP', rightSource: 'ERP' }]);
    await says('erp', { ...first, price: 12 });
    expect(await differing()).toMatchObject([{ kind: 'differs', fields: { price: { left: 10, right: 12 } } }]);
    await says('shop', { ...first, price: 12 });
    expect(await differing()).toEqual([]);
  }, 60_000);

  it('what one deletes while the other changes it stays, and the log says so', async () => {
    const first = { sku: 'C', title: 'Lamp', stock: 1 };
    await says('erp', first);
    await says('shop', first);
    await says('shop', { ...first, title: 'Lampe' });
    const gone = await fetch(`${installation.api}/events/products/C?source=erp`, { method: 'DELETE' });
    expect(gone.status).toBe(200);
    await installation.rest();
    expect(await golden('C')).toMatchObject({ data: { title: 'Lampe' }, status: 'synced' });
    const log = await installation.query(`SELECT conflict_type, resolution FROM conflict_log WHERE entity_id = 'products:C'`);
    expect(log).toEqual([{ conflict_type: 'update-delete', resolution: 'update_wins' }]);
    const account = await ask('GET', '/api/accounting');
    expect(account.body).toMatchObject({ balanced: true });
  }, 60_000);
});
