import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ApiKeyStore } from '../core/ports/api-key-store.ts';
import { apiKeyHash, isApiKey, mintApiKey } from './api-key.ts';

export type FirstAdminKey =
  /** Shown once, and kept in the file. */
  | { readonly kind: 'created'; readonly key: string; readonly file: string }
  | { readonly kind: 'kept'; readonly file: string }
  /** There are keys, but not here. */
  | { readonly kind: 'elsewhere'; readonly file: string; readonly message: string };

const keyName = 'first admin key';

/**
 * The file is written before the table, so that a crash between leaves a key that is taken up at the next start, and
 * never a table with a key that nobody has.
 */
export async function ensureFirstAdminKey(store: ApiKeyStore, file: string): Promise<FirstAdminKey> {
  const before = await keyInFile(file);
  if (before !== null) {
    if ((await store.findByHash(apiKeyHash(before))) !== null) return { kind: 'kept', file };
    return (await store.createFirst(keyName, apiKeyHash(before))) === null
      ? elsewhere(file)
      : { kind: 'created', key: before, file };
  }
  if ((await store.list()).some((key) => key.revokedAt === null)) return elsewhere(file);
  const key = mintApiKey();
  // Of two processes that start together one writes the file; the other takes that key.
  if (!(await writePrivately(file, key, 'wx'))) return ensureFirstAdminKey(store, file);
  return (await store.createFirst(keyName, apiKeyHash(key))) === null ? elsewhere(file) : { kind: 'created', key, file };
}

/** For whoever lost every key and still has the machine. */
export async function makeAdminKey(store: ApiKeyStore, name: string, file: string): Promise<string> {
  const key = mintApiKey();
  await store.create(name, 'admin', apiKeyHash(key));
  await writePrivately(file, key, 'w');
  return key;
}

function elsewhere(file: string): FirstAdminKey {
  const message = `API keys exist, but ${file} holds none of them: use a key you have, or make a new one with \`syncline init-db --new-admin-key\`.`;
  return { kind: 'elsewhere', file, message };
}

async function keyInFile(file: string): Promise<string | null> {
  try {
    const text = (await readFile(file, 'utf8')).trim();
    return isApiKey(text) ? text : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** False where the file is there already and `wx` forbids to overwrite it. */
async function writePrivately(file: string, key: string, flag: 'w' | 'wx'): Promise<boolean> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    const handle = await open(file, flag, 0o600);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(`${key}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
