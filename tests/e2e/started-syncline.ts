import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { descendantsOf, isRunning, type ProcessIdentity } from '../../stack/process-identity.ts';

const run = promisify(execFile);
const entry = fileURLToPath(new URL('../../bin/syncline.ts', import.meta.url));
const upMsMax = 120_000;
const endMsMax = 40_000;

export interface Runtime {
  readonly pid: number;
  readonly api: string;
  readonly kafka: string;
  readonly postgres: string;
  readonly redis: string;
  readonly keyFile: string;
}

/** What `npm start` starts, as a user would. */
export interface StartedSyncline {
  readonly dataDir: string;
  readonly runtime: Runtime;
  readonly output: string;
  readonly adminKey: string;
  /** Everything below the supervisor at this moment: roles, services, and what those started. */
  family(): ProcessIdentity[];
  get(path: string): Promise<{ status: number; body: unknown }>;
  signal(signal: NodeJS.Signals): void;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

export async function startSyncline(dataDir: string, env: Readonly<Record<string, string>> = {}): Promise<StartedSyncline> {
  let output = '';
  const child = spawn(process.execPath, [entry, 'start', '--data-dir', dataDir, '--port', '0'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const ended = endOf(child);
  const untilMs = Date.now() + upMsMax;
  while (!output.includes('Syncline is up')) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > untilMs) {
      child.kill('SIGINT');
      throw new Error(`did not come up:\n${output}`);
    }
    await sleep(50);
  }
  const runtime = JSON.parse(readFileSync(join(dataDir, 'runtime.json'), 'utf8')) as Runtime;
  const adminKey = readFileSync(runtime.keyFile, 'utf8').trim();
  return {
    dataDir,
    runtime,
    adminKey,
    get output() {
      return output;
    },
    family: () => descendantsOf(child.pid!),
    async get(path) {
      const response = await fetch(runtime.api + path, { headers: { authorization: `Bearer ${adminKey}` } });
      return { status: response.status, body: await response.json() };
    },
    signal: (signal) => void child.kill(signal),
    ended,
  };
}

/** Those that are still there after a while. */
export async function survivorsOf(family: readonly ProcessIdentity[]): Promise<ProcessIdentity[]> {
  const untilMs = Date.now() + endMsMax;
  for (;;) {
    const alive = family.filter(isRunning);
    if (alive.length === 0 || Date.now() > untilMs) return alive;
    await sleep(100);
  }
}

export async function command(...args: readonly string[]): Promise<string> {
  return (await run(process.execPath, [entry, ...args])).stdout;
}

export function hasRuntimeFile(dataDir: string): boolean {
  return existsSync(join(dataDir, 'runtime.json'));
}

function endOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown')));
}
