import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fakeApi } from '../../tests/fake-api.ts';
import { addConnectorsCommand } from './connectors.ts';
import { addSourcesCommand } from './sources.ts';

const stream = {
  stream: 'products',
  state: 'running',
  phase: 'waiting',
  rows: 12,
  errorCode: null as string | null,
  reason: null as string | null,
  since: null as string | null,
};
const since = '2026-03-01T12:00:00.000Z';
const failing = { ...stream, phase: 'snapshot', errorCode: 'source.misconfigured', reason: 'the table stock is missing', since };
const path = '/api/sources/erp/streams/products';
const api = fakeApi({
  'GET /api/sources': {
    sources: [
      {
        name: 'erp',
        connector: 'postgres',
        streams: [
          stream,
          { ...stream, stream: 'prices', state: 'paused', reason: 'paused by ada', since },
          { ...failing, stream: 'stock' },
        ],
      },
      { name: 'shop', connector: 'http', streams: [] },
      { name: 'crm', connector: 'mysql', streams: [] },
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
  expect(api.output).toMatch(/^erp +postgres +prices +paused +12 +2026-03-01T12:00:00 +paused by ada/m);
  expect(api.output).toMatch(/^shop +http +it sends its changes by itself$/m);
  expect(api.output).toMatch(/^crm +mysql +it was not read so far/m);
});

test('a stream that cannot be read is failing, since when and why, whatever it was about', async () => {
  await run('sources', 'list');
  expect(api.output).toMatch(/^erp +postgres +stock +failing +12 +2026-03-01T12:00:00 +the table stock is missing$/m);
});

test.each(['pause', 'resume', 'resync'])('%s is asked of the stream that was named', async (action) => {
  await run('sources', action, 'erp', 'products');
  expect(api.asked).toMatchObject([{ line: `POST ${path}/${action}` }]);
  expect(api.output).toMatch(/^erp products is (running|paused)$/m);
});

test('the connectors are listed with what each can do', async () => {
  await run('connectors');
  expect(api.output).toMatch(/^postgres +yes +polled +yes +yes/m);
  await run('connectors', '--json');
  for (const setting of ['"compareKeysEvery"', '"targetOptions"']) expect(api.output).toContain(setting);
});

test('of one connector it is shown what it may be told, and of one that is not there which there are', async () => {
  await run('connectors', 'mysql');
  expect(api.output).toMatch(/^as a source:\n(.*\n)+as a source, per kind of entity:\n(.*\n)+every +How often/m);
  expect(api.output).toMatch(/^as a target:\n/m);
  expect(api.output).not.toContain('postgres');
  await expect(run('connectors', 'mysqll')).rejects.toThrow(/did you mean mysql\? \(there are: .*postgres/);
});
