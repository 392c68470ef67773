import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { removeRuntimeFile, writeRuntimeFile } from '../runtime-file.ts';
import { addDlqCommand } from './dlq.ts';
import { addStatusCommand } from './status.ts';

interface Asked {
  readonly line: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

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
const answers: Record<string, unknown> = {
  'GET /api/status': status,
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
let url: string;
let output: string;
const asked: Asked[] = [];
const server = createServer(async (request, response) => {
  const body = Buffer.concat(await Array.fromAsync(request)).toString();
  const line = `${request.method} ${request.url}`;
  asked.push({ line, authorization: request.headers.authorization, body });
  const answer = answers[line];
  if (answer === undefined) response.writeHead(404).end('{"detail":"there is nothing here","fix":"see /docs"}');
  else response.end(JSON.stringify(answer));
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'client-'));
  mkdirSync(folder, { recursive: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(join(folder, 'admin.key'), 'the-key\n');
  writeRuntimeFile(folder, {
    pid: process.pid,
    startedAt: '',
    api: url,
    kafka: 'k:1',
    postgres: 'postgres://u:secret@h/db',
    redis: 'redis://r',
    keyFile: join(folder, 'admin.key'),
  });
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
  rmSync(folder, { recursive: true });
});

async function run(...words: string[]): Promise<void> {
  const program = new Command('syncline').exitOverride().configureOutput({ writeErr: () => undefined });
  addStatusCommand(program);
  addDlqCommand(program);
  await program.parseAsync([...words, '--data-dir', folder], { from: 'user' });
}

test('the status is found through the data directory and its key', async () => {
  await run('status');
  expect(asked).toMatchObject([{ line: 'GET /api/status', authorization: 'Bearer the-key' }]);
  expect(output).toContain('not ready');
  expect(output).toContain('redis: does not answer');
  expect(output).toContain('accounting: 9 received = 5 applied + 1 unchanged + 3 in flight (balanced)');
});

test('a target that is held back is shown with what holds it and how much it refused', async () => {
  await run('status');
  expect(output).toMatch(/^crm +paused +3 +124 of 607 would be deleted$/m);
});

test('a process that went without a word is not shown as running', async () => {
  await run('status');
  expect(output).toMatch(/^processor +running +host:1$/m);
  expect(output).toMatch(/^processor +no sign for 41 s, was running +host:2$/m);
});

test('as JSON it is one object with addresses a script can connect with', async () => {
  await run('status', '--json');
  expect(JSON.parse(output)).toMatchObject({
    pid: process.pid,
    keyFile: join(folder, 'admin.key'),
    addresses: { api: url, kafka: 'k:1', postgres: 'postgres://u:secret@h/db', redis: 'redis://r' },
    accounting: { received: 9 },
  });
});

test('dead letters are listed, and none of them drives the terminal', async () => {
  await run('dlq', 'list');
  expect(output).toContain(letter.id);
  expect(output).toContain('more: --cursor more');
  expect(output).not.toContain('\u001b');
});

test('filters go to the API as they are', async () => {
  await run('dlq', 'list', '--status', 'parked', '--limit', '5', '--json');
  expect(JSON.parse(output)).toEqual({ items: [], next: null });
});

test('one dead letter is shown with its bytes', async () => {
  await run('dlq', 'show', letter.id);
  expect(output).toContain('body (text):\nhalf { ');
});

test('one is replayed, or all that a filter finds, and never both', async () => {
  await run('dlq', 'replay', letter.id);
  await run('dlq', 'replay', '--all', '--source', 'shop', '--limit', '7');
  expect(asked.map(({ body }) => body)).toEqual(['', '{"source":"shop","limit":7}']);
  expect(output).toBe(`${letter.id} is replaying\n2 replayed, 1 remain\n`);
  await expect(run('dlq', 'replay')).rejects.toThrow('--all');
  await expect(run('dlq', 'replay', letter.id, '--all')).rejects.toThrow('--all');
});

test('a letter is discarded with the reason', async () => {
  await run('dlq', 'discard', letter.id, '--reason', 'a test');
  expect(asked.at(-1)?.body).toBe('{"reason":"a test"}');
});

test('what the API refuses is said in its words, with the way out', async () => {
  await expect(run('dlq', 'show', '../../nowhere')).rejects.toThrow('there is nothing here\nfix: see /docs');
  expect(asked.at(-1)?.line).toBe('GET /api/dead-letters/..%2F..%2Fnowhere');
});

test('where nothing runs, the command that starts it is named', async () => {
  server.close();
  server.closeAllConnections();
  await expect(run('status')).rejects.toMatchObject({ code: 'client.not-running', fix: expect.stringContaining('npm start') });
  removeRuntimeFile(folder);
  await expect(run('status')).rejects.toMatchObject({ code: 'client.not-running' });
});
