import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { tryLock } from './file-lock.ts';
import { claimPort, giveBackPort } from './ports.ts';
import { endProcess } from './process-end.ts';
import { isRunning, type ProcessIdentity } from './process-identity.ts';
import { parseStackMemory, type StackMemory } from './stack-memory.ts';

const memoryFile = 'stack.json';

/** The folder one stack lives in: owned by one process at a time, it remembers ports and what runs. */
export interface DataDirectory {
  readonly path: string;
  /** The port of this name used last time when it is free, otherwise a new one that is remembered. */
  port(name: string, wished?: number): Promise<number>;
  /** The port of this name at the moment: a start may have had to replace it. */
  currentPort(name: string): number;
  /** Another port in the place of one that somebody took between choosing and listening. */
  replacePort(name: string): Promise<number>;
  place(name: string): string | undefined;
  rememberPlace(name: string, path: string): void;
  rememberService(name: string, identity: ProcessIdentity): void;
  forgetService(name: string): void;
  release(): void;
}

export async function openDataDirectory(directory: string, owner: ProcessIdentity, onProgress: (line: string) => void) {
  const path = resolve(directory);
  if (!existsSync(path)) {
    mkdirSync(path, { recursive: true });
    // PostgreSQL may run as another user, who has to pass through; what is secret is protected file by file.
    chmodSync(path, 0o711);
  }
  const lock = tryLock(join(path, 'lock'));
  if (lock === undefined) throw inUse(path);
  const memory = { ...readMemory(path), owner };
  const claimed = new Set<number>();
  const remember = () => writeMemory(path, memory);
  try {
    await endLeftovers(memory, onProgress);
    remember();
  } catch (error) {
    lock.release();
    throw error;
  }

  const claim = async (name: string, wished: number | undefined): Promise<number> => {
    const port = await claimPort(wished);
    claimed.add(port);
    memory.ports[name] = port;
    remember();
    return port;
  };

  const opened: DataDirectory = {
    path,
    port: (name, wished) => claim(name, wished ?? memory.ports[name]),
    currentPort(name) {
      const port = memory.ports[name];
      assert(port !== undefined, `the port ${name} was asked for before it was chosen`);
      return port;
    },
    replacePort(name) {
      const former = memory.ports[name];
      if (former !== undefined && claimed.delete(former)) giveBackPort(former);
      return claim(name, undefined);
    },
    place: (name) => memory.places[name],
    rememberPlace(name, place) {
      memory.places[name] = place;
      remember();
    },
    rememberService(name, identity) {
      memory.services[name] = identity;
      remember();
    },
    forgetService(name) {
      delete memory.services[name];
      remember();
    },
    release() {
      for (const port of claimed) giveBackPort(port);
      lock.release();
    },
  };
  return opened;
}

/** The identities are ours by record, pid and start: nothing that is merely called the same is touched. */
async function endLeftovers(memory: StackMemory, onProgress: (line: string) => void): Promise<void> {
  for (const [name, identity] of Object.entries(memory.services)) {
    if (isRunning(identity)) {
      onProgress(`${name}: ending process ${identity.pid}, left behind by an earlier run`);
      await endProcess(identity, name === 'postgres' ? 'SIGINT' : 'SIGTERM');
    }
    delete memory.services[name];
  }
}

function readMemory(path: string): StackMemory {
  const file = join(path, memoryFile);
  return parseStackMemory(existsSync(file) ? readFileSync(file, 'utf8') : '{}');
}

function writeMemory(path: string, memory: StackMemory): void {
  const file = join(path, memoryFile);
  writeFileSync(`${file}.new`, `${JSON.stringify(memory, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

function inUse(path: string): SyncError {
  const owner = readMemory(path).owner;
  const who = owner === undefined ? 'another process' : `process ${owner.pid}`;
  return new SyncError('stack.directory-in-use', `${path} is in use by ${who}: stop it, or choose another data directory`, {
    details: { directory: path, ...(owner === undefined ? {} : { pid: owner.pid }) },
  });
}
