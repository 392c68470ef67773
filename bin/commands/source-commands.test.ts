import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeApi } from '../../tests/fake-api.ts';
import { addConnectorsCommand } from './connectors.ts';
import { addSourcesCommand } from './sources.ts';

const stream = { stream: 'products', state: 'running', phase: 'waiting', rows: 12, reason: null };
const path = '/api/sources/erp/streams/products';
const api = fakeApi({
  'GET /api/sources': {
    sources: [
      {
        name: 'erp',
        connector: 'postgres',
        streams: [stream, { ...stream, stream: 'prices', state: 'paused', reason: 'paused by ada' }],
      },
      { name: 'shop', connector: 'http', streams: [] },
    ],
  },
  [`POST ${path}/pause`]: { ...stream, state: 'paused' },
  [`POST ${path}/resume`]: stream,
  [`POST ${path}/resync`]: { ...stream, phase: 'snapshot' },
});
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sources-'));
  writeFileSync(join(folder, 'admin.key'), 'the-key\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

async function run(...words: string[]): Promise<void> {
  const program = new Command('syncline').exitOverride().configureOutput({ writeErr: () => undefined });
  addSourcesCommand(program);
  addConnectorsCommand(program);
  const reached = words[0] === 'sources' ? ['--url', api.url, '--data-dir', folder] : [];
  await program.parseAsync([...words, ...reached], { from: 'user' });
}

test('the sources are listed with their streams and why one rests', async () => {
  await run('sources', 'list');
  expect(api.output).toMatch(/^erp +postgres +products +waiting +12/m);
  expect(api.output).toMatch(/^erp +postgres +prices +paused +12 +paused by ada/m);
  expect(api.output).toMatch(/^shop +http/m);
});

test.each(['pause', 'resume', 'resync'])('%s is asked of the stream that was named', async (action) => {
  await run('sources', action, 'erp', 'products');
  expect(api.asked).toMatchObject([{ line: `POST ${path}/${action}` }]);
  expect(api.output).toMatch(/^erp products is (running|paused)$/m);
});

test('the connectors are listed with what each can do and what it may be told', async () => {
  await run('connectors');
  expect(api.output).toMatch(/^postgres +yes +polled +yes +yes/m);
  await run('connectors', '--json');
  expect(api.output).toContain('"compareKeysEvery"');
});
