import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeApi } from '../../tests/fake-api.ts';
import { removeRuntimeFile, writeRuntimeFile } from '../runtime-file.ts';
import { addDlqCommand } from './dlq.ts';
import { addStatusCommand } from './status.ts';

const letter = {
  id: '01a1fca6-862b-8f36-bca4-7e1bcec98a41',
  topic: 'source.shop.orders',
  partition: 1,
  offset: 2,
  source: 'shop',
  kind: 'orders',
  key: 'o-1',
  code: 'mapping.failed',
  reason: 'bad \u001b[31m value',
  status: 'parked',
  attempts: 0,
  failedAt: '2026-01-01T00:00:00.000000Z',
};
const status = {
  version: '1.2.3',
  profile: 'development',
  ready: false,
  notReady: [{ part: 'redis', reason: 'does not answer' }],
  addresses: { postgres: 'postgres://u@h/db' },
  keyFile: null,
  roles: [
    { role: 'processor', instance: 'host:1', state: 'running', silentForMs: null },
    { role: 'processor', instance: 'host:2', state: 'running', silentForMs: 41_400 },
  ],
  lag: { processor: 3, syncManager: 0 },
  accounting: { received: 9, outcomes: { applied: 5, unchanged: 1, stale: 0 }, inFlight: 3, balanced: true },
  deadLetters: { waiting: 0, parked: 1, replaying: 0 },
  targets: [{ target: 'crm', state: 'paused', reason: '124 of 607 would be deleted', letters: { parked: 3, replaying: 0 } }],
  unknown: [],
};
const stream = {
  stream: 'products',
  state: 'paused',
  phase: 'changes',
  rows: 7,
  errorCode: 'source.schema-changed',
  reason: 'public.product has changed: new: x',
  since: '2026-03-01T12:00:00.000Z',
};
const going = { ...stream, state: 'running', errorCode: null, reason: null, since: null };
const failing = { ...going, errorCode: 'source.unavailable', reason: 'no answer', since: stream.since };
const sources = {
  sources: [
    { name: 'erp', connector: 'postgres', streams: [stream, { ...going, stream: 'prices' }, { ...failing, stream: 'stock' }] },
  ],
};
const answers: Record<string, unknown> = {
  'GET /api/status': status,
  'GET /api/sources': sources,
  'GET /api/dead-letters?': { items: [letter], next: 'more' },
  'GET /api/dead-letters?status=parked&limit=5': { items: [], next: null },
  [`GET /api/dead-letters/${letter.id}`]: {
    ...letter,
    details: { field: 'x' },
    body: { encoding: 'text', content: 'half {\u0007' },
  },
  [`POST /api/dead-letters/${letter.id}/replay`]: { ...letter, status: 'replaying' },
  [`POST /api/dead-letters/${letter.id}/discard`]: { ...letter, status: 'discarded' },
  'POST /api/dead-letters/replay': { replayed: 2, remaining: 1 },
};

let folder: string;
const api = fakeApi(answers);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'client-'));
  writeFileSync(join(folder, 'admin.key'), 'the-key\n');
  writeRuntimeFile(folder, {
    pid: process.pid,
    startedAt: '',
    api: api.url,
    kafka: 'k:1',
    postgres: 'postgres://u:secret@h/db',
    redis: 'redis://r',
    keyFile: join(folder, 'admin.key'),
  });
});
afterEach(() => rmSync(folder, { recursive: true }));

async function run(...words: string[]): Promise<void> {
  const program = new Command('syncline').exitOverride().configureOutput({ writeErr: () => undefined });
  addStatusCommand(program);
  addDlqCommand(program);
  await program.parseAsync([...words, '--data-dir', folder], { from: 'user' });
}

test('the status is found through the data directory and its key', async () => {
  await run('status');
  expect(api.asked).toMatchObject(
    ['GET /api/status', 'GET /api/sources'].map((line) => ({ line, authorization: 'Bearer the-key' })),
  );
  expect(api.output).toContain('not ready');
  expect(api.output).toContain('redis: does not answer');
  expect(api.output).toContain('accounting: 9 received = 5 applied + 1 unchanged + 3 in flight (balanced)');
});

test('a target that is held back is shown with what holds it and how much it refused', async () => {
  await run('status');
  expect(api.output).toMatch(/^crm +paused +3 +124 of 607 would be deleted$/m);
});

test('a stream that waits for somebody is shown with its reason, the others are not', async () => {
  await run('status');
  expect(api.output).toMatch(/^source erp products is paused since 2026-03-01T12:00:00: public\.product has changed: new: x$/m);
  expect(api.output).toMatch(/^source erp stock is failing since 2026-03-01T12:00:00: no answer$/m);
  expect(api.output).not.toContain('erp prices');
});

test('a process that went without a word is not shown as running', async () => {
  await run('status');
  expect(api.output).toMatch(/^processor +running +host:1$/m);
  expect(api.output).toMatch(/^processor +no sign for 41 s, was running +host:2$/m);
});

test('as JSON it is one object with addresses a script can connect with', async () => {
  await run('status', '--json');
  expect(JSON.parse(api.output)).toMatchObject({
    pid: process.pid,
    keyFile: join(folder, 'admin.key'),
    addresses: { api: api.url, kafka: 'k:1', postgres: 'postgres://u:secret@h/db', redis: 'redis://r' },
    accounting: { received: 9 },
  });
});

test('dead letters are listed, and none of them drives the terminal', async () => {
  await run('dlq', 'list');
  expect(api.output).toContain(letter.id);
  expect(api.output).toContain('more: --cursor more');
  expect(api.output).not.toContain('\u001b');
});

test('filters go to the API as they are', async () => {
  await run('dlq', 'list', '--status', 'parked', '--limit', '5', '--json');
  expect(JSON.parse(api.output)).toEqual({ items: [], next: null });
});

test('one dead letter is shown with its bytes', async () => {
  await run('dlq', 'show', letter.id);
  expect(api.output).toContain('body (text):\nhalf { ');
});

test('one is replayed, or all that a filter finds, and never both', async () => {
  await run('dlq', 'replay', letter.id);
  await run('dlq', 'replay', '--all', '--source', 'shop', '--limit', '7');
  expect(api.asked.map(({ body }) => body)).toEqual(['', '{"source":"shop","limit":7}']);
  expect(api.output).toBe(`${letter.id} is replaying\n2 replayed, 1 remain\n`);
  await expect(run('dlq', 'replay')).rejects.toThrow('--all');
  await expect(run('dlq', 'replay', letter.id, '--all')).rejects.toThrow('--all');
});

test('a letter is discarded with the reason', async () => {
  await run('dlq', 'discard', letter.id, '--reason', 'a test');
  expect(api.asked.at(-1)?.body).toBe('{"reason":"a test"}');
});

test('what the API refuses is said in its words, with the way out', async () => {
  await expect(run('dlq', 'show', '../../nowhere')).rejects.toThrow('there is nothing here\nfix: see /docs');
  expect(api.asked.at(-1)?.line).toBe('GET /api/dead-letters/..%2F..%2Fnowhere');
});

test('where nothing runs, the command that starts it is named', async () => {
  api.close();
  await expect(run('status')).rejects.toMatchObject({ code: 'client.not-running', fix: expect.stringContaining('npm start') });
  removeRuntimeFile(folder);
  await expect(run('status')).rejects.toMatchObject({ code: 'client.not-running' });
});
