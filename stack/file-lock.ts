import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * A lock the kernel drops with its owner, so that no lock is ever stale. Node has no flock; SQLite, which Node
 * carries, takes a record lock on the file, and also tells two owners within one process apart.
 */
export interface FileLock {
  release(): void;
}

const sqliteBusy = 5;
const retryIntervalMs = 100;

export function tryLock(path: string): FileLock | undefined {
  mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === sqliteBusy) return undefined;
    throw error;
  }
  return { release: () => database.close() };
}

export interface WaitForLockOptions {
  /** Called once, when somebody else holds the lock. */
  readonly onWait?: () => void;
  readonly signal?: AbortSignal | undefined;
}

export async function waitForLock(path: string, options: WaitForLockOptions = {}): Promise<FileLock> {
  for (let told = false; ; told = true) {
    const lock = tryLock(path);
    if (lock !== undefined) return lock;
    if (!told) options.onWait?.();
    await sleep(retryIntervalMs, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}
