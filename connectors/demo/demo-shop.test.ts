import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import { loadConfig } from '../../adapters/process/config-file.ts';
import { configFiles } from '../../bin/config-files.ts';
import { ingestTypesOf } from '../http/ingest-types.ts';
import { createDemoShop, postsOf } from './demo-shop.ts';
import { createChance } from './random.ts';
import { createShopFloor, type ShopEvent } from './shop-floor.ts';

function play(seed: number, steps: number): ShopEvent[] {
  const floor = createShopFloor(createChance(seed), 'R');
  return Array.from({ length: steps }, () => floor.next()).flat();
}

test('the same seed plays the same shop', () => {
  expect(play(7, 500)).toEqual(play(7, 500));
  expect(play(7, 500)).not.toEqual(play(8, 500));
});

test('every event fits the schema of the configuration that is delivered', () => {
  const types = ingestTypesOf(loadConfig(configFiles(undefined, {}).config, {}).sources);
  const events = play(1, 3_000);
  for (const event of events) {
    const type = types.find(event.kind, undefined);
    if (event.operation === 'put') expect(type.check(event.record)).toEqual([]);
    else expect(type.keyFields).toHaveLength(1);
  }
  expect(new Set(events.map((event) => `${event.kind} ${event.operation}`))).toEqual(
    new Set(['users put', 'products put', 'products delete', 'inventory put', 'orders put', 'transactions put']),
  );
});

test('the stock never falls below nothing', () => {
  const quantities = play(3, 5_000).flatMap((event) =>
    event.kind === 'inventory' && event.operation === 'put' ? [Number(event.record.quantity)] : [],
  );
  expect(Math.min(...quantities)).toBeGreaterThanOrEqual(0);
});

test('a deletion goes after what came before it and before what comes after', () => {
  const put: ShopEvent = { kind: 'products', operation: 'put', record: { sku: 'a/1' } };
  const posts = postsOf([put, { kind: 'products', operation: 'delete', key: 'a/1' }, put], 'shop');
  expect(posts.map(({ method, path }) => `${method} ${path}`)).toEqual([
    'POST /events/products?source=shop',
    'DELETE /events/products/a%2F1?source=shop',
    'POST /events/products?source=shop',
  ]);
});

test('what was not answered is sent again under the same idempotency key', async () => {
  const stop = new AbortController();
  const keys: string[] = [];
  const reports: string[] = [];
  const server = createServer((request, response) => {
    request.resume();
    keys.push(String(request.headers['idempotency-key']));
    if (keys.length === 1) request.socket.destroy();
    else if (keys.length === 2) response.writeHead(503).end('{}');
    else response.writeHead(200).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const shop = createDemoShop({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    eventsPerSecond: 50,
    seed: 1,
    clock: systemClock,
    signal: stop.signal,
    report: ({ kind }) => void reports.push(kind),
  });
  while (shop.accepted === 0) await systemClock.sleep(20);
  stop.abort();
  await shop.done;
  server.closeAllConnections();
  server.close();
  expect(new Set(keys.slice(0, 3)).size).toBe(1);
  expect(reports.slice(0, 2)).toEqual(['unreachable', 'reachable']);
});
