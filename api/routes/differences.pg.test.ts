import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Command, CommanderError } from 'commander';
import express from 'express';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createDifferenceRebuilds } from '../../adapters/postgres/difference-pairs.ts';
import { createReadStore } from '../../adapters/postgres/read-store.ts';
import { addDifferencesCommand } from '../../bin/commands/differences.ts';
import { parseConfig } from '../../core/config/config.ts';
import type { ApiRole } from '../../core/ports/api-key-store.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';
import { setCaller } from '../caller.ts';
import { answerProblems, correlate } from '../problem-answer.ts';
import { mountRoutes } from '../route-handler.ts';
import { differenceRoutes } from './differences.ts';
import { sourceTypes } from './source-type.ts';

let database: TestDatabase;
let url: string;
const app = express();
const server = createServer(app);

beforeAll(async () => {
  database = await openTestDatabase();
  const { pool } = database;
  const source = { connector: 'http', entities: {} } as const;
  const { sources } = parseConfig({ sources: { 'shop-eu': { ...source, type: 'WOO' }, erp: source } });
  app.use(correlate);
  app.use((request, response, next) => {
    const role = (request.headers.authorization ?? '').replace('Bearer ', '') as ApiRole;
    setCaller(response, { kind: 'key', id: role, name: role, role });
    next();
  });
  mountRoutes(app, differenceRoutes(createReadStore(pool), createDifferenceRebuilds(pool), sourceTypes(sources)));
  app.use(answerProblems(() => undefined));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await pool.query(
    `INSERT INTO difference_pairs (left_source, right_source, entity_kind, config_id, state)
     VALUES ('WOO', 'ERP', 'products', 'c', 'exact'), ('WOO', 'ERP', 'orders', 'c', 'building'), ('ERP', 'CRM', 'products', 'c', 'exact'), ('ERP', 'WOO', 'customers', 'c', 'exact'),
       ('ERP', 'OLD', 'products', '', 'removed')`,
  );
  await pool.query(
    `INSERT INTO differences (entity_id, left_source, right_source, kind, entity_kind, fields, since)
     SELECT k || ':' || n, 'WOO', 'ERP', CASE n % 3 WHEN 0 THEN 'differs' WHEN 1 THEN 'only_left' ELSE 'only_right' END, k,
       CASE WHEN n % 3 > 0 THEN '{}' WHEN n % 2 = 0 THEN '{"price": {"left": 1, "right": 12345678901234567890}}' ELSE '{"stock": {"right": 2}}' END::jsonb,
       '2026-01-01T00:00:00Z'
     FROM generate_series(1, 12) AS n, unnest(ARRAY['products', 'orders']) AS k`,
  );
  await pool.query(
    `INSERT INTO differences (entity_id, left_source, right_source, kind, entity_kind) VALUES ('products:1', 'ERP', 'CRM', 'only_right', 'products')`,
  );
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await database.close();
});
afterEach(() => vi.restoreAllMocks());

async function ask(path: string, role: ApiRole = 'viewer', body?: object) {
  const response = await fetch(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${role}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

async function idsOf(query: string): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor = ''; ; ) {
    const { text } = await ask(`/api/differences?limit=3&${query}${cursor}`);
    const page = JSON.parse(text) as { items: { entityId: string; leftSource: string }[]; next: string | null };
    ids.push(...page.items.map(({ entityId, leftSource }) => `${entityId} ${leftSource}`));
    if (page.next === null) return ids;
    cursor = `&cursor=${page.next}`;
  }
}

/** As the CLI prints it. */
async function run(...words: string[]): Promise<string> {
  let output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
  const program = new Command('syncline').exitOverride();
  addDifferencesCommand(program);
  await program.parseAsync(['differences', '--url', url, '--key', 'operator', ...words], { from: 'user' });
  return output;
}

test('every difference stands on exactly one page', async () => {
  const ids = await idsOf('');
  expect([ids.length, new Set(ids).size]).toEqual([25, 25]);
});

test.each([
  ['kind=orders', 12],
  ['left=shop-eu&right=erp', 24],
  ['left=erp', 1],
  ['entity_id=products:1', 2],
  ['kind=products&difference=only_left', 4],
  ['field=price', 4],
  ['kind=orders&field=stock', 2],
  ['kind=customers', 0],
])('only what %s asks for is listed', async (query, count) => {
  expect(await idsOf(query)).toHaveLength(count);
});

test('a difference tells what each side has, every digit kept', async () => {
  const { text } = await ask('/api/differences?field=price&limit=1');
  expect(text).toContain('"fields":{"price":{"left":1,"right":12345678901234567890}}');
  expect(text).toContain('"since":"2026-01-01T00:00:00.000000Z"');
});

test('the summary counts every pair that is compared', async () => {
  const { text } = await ask('/api/differences/summary');
  const counts = { onlyLeft: 4, onlyRight: 4, differs: 4 };
  expect(JSON.parse(text)).toEqual({
    pairs: [
      { leftSource: 'ERP', rightSource: 'CRM', entityKind: 'products', state: 'exact', onlyLeft: 0, onlyRight: 1, differs: 0 },
      { leftSource: 'ERP', rightSource: 'WOO', entityKind: 'customers', state: 'exact', onlyLeft: 0, onlyRight: 0, differs: 0 },
      { leftSource: 'WOO', rightSource: 'ERP', entityKind: 'orders', state: 'building', ...counts },
      { leftSource: 'WOO', rightSource: 'ERP', entityKind: 'products', state: 'exact', ...counts },
    ],
  });
});

test('the command line shows the list and the summary as tables, or as JSON', async () => {
  const list = await run('--kind', 'products', '--difference', 'differs', '--limit', '2');
  expect(list).toMatch(/^products:12 +WOO ERP +differs +2026-01-01T00:00:00 +price: 1 \| 12345678901234567890$/m);
  expect(list).toMatch(/^products:3 +WOO ERP +differs +\S+ +stock: - \| 2$/m);
  expect(list).toMatch(/^more: --cursor \S+$/m);
  expect(await run('--summary')).toMatch(/^WOO +ERP +orders +building +4 +4 +4$/m);
  expect(JSON.parse(await run('--entity', 'products:1', '--json')).items).toHaveLength(2);
});

const pairs = 'ERP CRM products, ERP WOO customers, WOO ERP orders, WOO ERP products';

test.each([
  ['left=nosuch', 'left'],
  ['right=erp&left=erp', 'left'],
  ['right=nosuch&kind=products', 'right'],
  ['kind=users', 'kind'],
])('a pair that is not compared, %s, is refused with those that are', async (query, field) => {
  const answers = [
    await ask(`/api/differences?${query}`),
    await ask('/api/differences/rebuild', 'operator', Object.fromEntries(new URLSearchParams(query))),
  ];
  for (const { status, text } of answers) {
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({
      code: 'request.invalid',
      errors: [{ field, message: expect.stringContaining(pairs) }],
    });
  }
});

test('the command line says which pairs there are where none is meant', async () => {
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  for (const words of [
    ['--left', 'nosuch'],
    ['--rebuild', '--right', 'nosuch'],
  ]) {
    // What is a CommanderError ends the process with code 2.
    await expect(run(...words)).rejects.toBeInstanceOf(CommanderError);
    expect(String(said.mock.lastCall?.[0])).toContain(pairs);
  }
});

test('an operator has pairs compared anew, a viewer does not', async () => {
  expect((await ask('/api/differences/rebuild', 'viewer', {})).status).toBe(403);
  expect(await ask('/api/differences/rebuild', 'operator', { left: 'shop-eu', kind: 'products' })).toEqual({
    status: 202,
    text: '{"pairs":1}',
  });
  expect(await run('--rebuild', '--left', 'erp')).toContain('2 pairs are compared anew');
  const { rows } = await database.pool.query('SELECT state, count(*) AS n FROM difference_pairs GROUP BY 1 ORDER BY 1');
  expect(rows).toEqual([
    { state: 'building', n: 4 },
    { state: 'removed', n: 1 },
  ]);
});
