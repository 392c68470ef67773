import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { addIdentityCommand } from './identity.ts';

const links = {
  entityId: 'product:a/b',
  kind: 'product',
  records: [{ source: 'erp', kind: 'product', key: '900', matchKeys: ['sku=X'], gone: false, inTransit: true, boundAt: '2026' }],
  matchKeys: ['sku=X'],
  history: [
    {
      source: 'erp',
      kind: 'product',
      key: '900',
      reason: 'link',
      entityId: 'product:a/b',
      previous: 'product:B',
      matchKey: null,
      heldBy: null,
      by: 'ann \u001b[31m(1)',
      eventId: 'e1',
      at: '2026-01-01T00:00:00.000000Z',
    },
  ],
  mergedInto: null,
};

let answer: object;
let url: string;
let output: string;
const asked: string[] = [];
const server = createServer(async (request, response) => {
  const body = Buffer.concat(await Array.fromAsync(request)).toString();
  asked.push(`${request.method} ${request.url} ${body}`.trim());
  const isMergeAgain = body.includes('"from":"product:done"');
  response.end(JSON.stringify(request.method === 'GET' ? answer : { eventIds: isMergeAgain ? [] : ['e1', 'e2'] }));
});

beforeEach(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  answer = links;
  output = '';
  asked.length = 0;
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
});

async function run(...words: string[]): Promise<string> {
  const program = new Command().exitOverride();
  addIdentityCommand(program);
  output = '';
  await program.parseAsync(['node', 'syncline', 'identity', ...words, '--url', url]);
  return output;
}

test('the links of an entity show its records, what finds it, and who moved what', async () => {
  const shown = await run('links', 'product:a/b');
  expect(asked).toEqual(['GET /api/entities/product%3Aa%2Fb/links']);
  for (const text of ['product:a/b', 'found by sku=X', 'erp', '900', 'moving', 'product:B', 'ann']) expect(shown).toContain(text);
  expect(shown).not.toContain('\u001b');
  expect(JSON.parse(await run('links', 'product:a/b', '--json'))).toEqual(links);
});

test('of an entity without records it is said what became of them, which a link is no merge of', async () => {
  const [turn] = links.history;
  answer = {
    ...links,
    records: [],
    mergedInto: 'product:C',
    history: [{ ...turn, entityId: 'product:C', previous: 'product:a/b' }],
  };
  expect(await run('links', 'product:a/b')).toMatch(/^product:a\/b: its last record was linked to product:C by ann /);
});

test('link, merge and split send one order each and tell its events', async () => {
  expect(await run('link', 'erp', 'product', '900', 'product:A')).toBe('ordered: e1, e2\n');
  await run('merge', 'product:B', 'product:A');
  await run('split', 'erp', 'product', '900');
  await run('split', 'erp', 'product', '900', '--entity', 'product:C');
  expect(asked).toEqual([
    'POST /api/identity/link {"source":"erp","kind":"product","key":"900","entityId":"product:A"}',
    'POST /api/identity/merge {"from":"product:B","into":"product:A"}',
    'POST /api/identity/split {"source":"erp","kind":"product","key":"900"}',
    'POST /api/identity/split {"source":"erp","kind":"product","key":"900","entityId":"product:C"}',
  ]);
  expect(await run('merge', 'product:done', 'product:A')).toBe('nothing is left to move\n');
});
