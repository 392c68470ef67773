import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { RoleName } from './roles/role.ts';

type NodeFlags = readonly string[];

/** A young generation of 16 MB keeps scavenges cheap where batches flow; elsewhere a small one does. */
const pipelineFlags: NodeFlags = ['--max-semi-space-size=8', '--max-old-space-size=512'];
const roleFlags: Readonly<Record<RoleName, NodeFlags>> = {
  processor: pipelineFlags,
  'sync-manager': pipelineFlags,
  api: ['--max-semi-space-size=4', '--max-old-space-size=512'],
  demo: ['--max-semi-space-size=1', '--max-old-space-size=256'],
  target: pipelineFlags,
  source: ['--max-semi-space-size=4', '--max-old-space-size=512'],
};

export function flagsOfRole(role: RoleName): NodeFlags {
  return roleFlags[role];
}

export const supervisorFlags: NodeFlags = ['--max-semi-space-size=1', '--max-old-space-size=128'];

/** Where the processes we start begin: `syncline.ts` as they need it. */
export const leanEntry = fileURLToPath(new URL('./lean-entry.js', import.meta.url));

/** glibc gives each thread an arena of its own, which fragments: two are enough. */
export const leanEnvironment: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '2' };

/** Whether a process of this kind could be smaller if it began anew. */
export function canBeginAnew(): boolean {
  return process.execve !== undefined && process.argv[1] !== leanEntry;
}

/**
 * Begins this process anew under the same id with these flags. Nothing it has loaded stays, except in the compile cache,
 * which Node writes before. Not on Windows.
 */
export function beginAnew(flags: NodeFlags, words: readonly string[], env: Readonly<Record<string, string>> = {}): never {
  const node = process.execPath;
  return process.execve!(node, [node, ...flags, ...process.execArgv, leanEntry, ...words], {
    ...leanEnvironment,
    ...process.env,
    ...env,
  });
}

const settledAfterMs = 5_000;

/**
 * Loading leaves tens of MB of garbage, and the first connections and batches some more, which a process at rest would
 * keep until it has allocated as much again. Twice is enough: what runs after that is steady.
 */
export function releaseStartUpMemory(): void {
  collectAll();
  setTimeout(collectAll, settledAfterMs).unref();
}

/** The flag stands for this moment only: Node keeps a compile cache for each set of flags, and ours is that of none. */
function collectAll(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as NodeJS.GCFunction;
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
