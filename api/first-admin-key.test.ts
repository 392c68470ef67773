import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { memoryKeyStore } from '../tests/memory-stores.ts';
import { apiKeyHash, mintApiKey } from './api-key.ts';
import { ensureFirstAdminKey, makeAdminKey } from './first-admin-key.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'first-key-'));
  file = join(folder, 'keys', 'admin.key');
});
afterEach(() => rmSync(folder, { recursive: true }));

test('the first key is shown once and kept where only its owner may read it', async () => {
  const store = memoryKeyStore();
  const first = await ensureFirstAdminKey(store, file);
  expect(first.kind).toBe('created');
  const key = readFileSync(file, 'utf8').trim();
  expect(first).toMatchObject({ key, file });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await store.findByHash(apiKeyHash(key))).toMatchObject({ role: 'admin' });
  expect(await ensureFirstAdminKey(store, file)).toEqual({ kind: 'kept', file });
});

test('a start that crashed between file and table takes up the key of the file', async () => {
  const store = memoryKeyStore();
  const { key } = (await ensureFirstAdminKey(memoryKeyStore(), file)) as { key: string };
  expect(await ensureFirstAdminKey(store, file)).toMatchObject({ kind: 'created', key });
  expect(await store.findByHash(apiKeyHash(key))).not.toBeNull();
});

test('where keys exist and the file is lost, the command that makes a new one is named', async () => {
  const store = memoryKeyStore();
  await store.create('theirs', 'admin', apiKeyHash(mintApiKey()));
  const answer = await ensureFirstAdminKey(store, file);
  expect(answer.kind).toBe('elsewhere');
  expect(answer).toMatchObject({ message: expect.stringContaining('--new-admin-key') });
  expect(existsSync(file)).toBe(false);
  const key = await makeAdminKey(store, 'new', file);
  expect(readFileSync(file, 'utf8').trim()).toBe(key);
  expect(await ensureFirstAdminKey(store, file)).toEqual({ kind: 'kept', file });
});

test('two starts at once make one key', async () => {
  const store = memoryKeyStore();
  const both = await Promise.all([ensureFirstAdminKey(store, file), ensureFirstAdminKey(store, file)]);
  expect(both.filter(({ kind }) => kind === 'created')).toHaveLength(1);
  expect(await store.findByHash(apiKeyHash(readFileSync(file, 'utf8').trim()))).not.toBeNull();
  expect(await store.list()).toHaveLength(1);
});

test('a new key takes the place of a file that was readable by others', async () => {
  const store = memoryKeyStore();
  await ensureFirstAdminKey(store, file);
  writeFileSync(file, 'spoiled', { mode: 0o644 });
  await makeAdminKey(store, 'new', file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});
