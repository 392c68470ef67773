import { type ChildProcess, fork } from 'node:child_process';
import { createWriteStream, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RoleName } from './roles/role.ts';

export const entry = fileURLToPath(new URL('./syncline.ts', import.meta.url));
const restartDelayMs = 200;
const restartDelayMsMax = 5_000;
/** A role that lived this long starts its delays anew when it dies. */
const steadyAfterMs = 30_000;
/** A young generation of 16 MB each keeps scavenges cheap under load and the resting process small. */
const nodeFlags = ['--max-semi-space-size=8', '--max-old-space-size=512'];
/** glibc gives each thread an arena of its own, which fragments: two are enough. */
const memoryEnvironment = { MALLOC_ARENA_MAX: '2' };
const logBytesMax = 50_000_000;

export interface SupervisorOptions {
  readonly roles: readonly RoleName[];
  readonly env: Readonly<Record<string, string>>;
  /** Null: the roles write to our own standard output. */
  readonly logFolder: string | null;
  onEvent(line: string): void;
}

export interface Supervisor {
  /** Ends all roles: politely, and after a grace by force. */
  stop(): Promise<void>;
}

const stopGraceMs = 12_000;

/** Keeps one process per role running. They end with us: by signal when we stop, by the closed channel when we die. */
export function superviseRoles(options: SupervisorOptions): Supervisor {
  let stopping = false;
  const children = new Map<RoleName, ChildProcess>();

  function start(role: RoleName, failures: number): void {
    const startedAt = Date.now();
    const child = fork(entry, ['role', role], {
      env: { ...memoryEnvironment, ...process.env, ...options.env },
      execArgv: nodeFlags,
      stdio: ['ignore', options.logFolder === null ? 'inherit' : 'pipe', options.logFolder === null ? 'inherit' : 'pipe', 'ipc'],
      // A Ctrl-C in the terminal reaches only us: we decide the order in which things end.
      detached: true,
    });
    children.set(role, child);
    if (options.logFolder !== null) keepLog(child, options.logFolder, role);
    child.on('error', (error) => options.onEvent(`${role}: ${error.message}`));
    child.once('exit', (code, signal) => {
      children.delete(role);
      if (stopping) return;
      const failed = Date.now() - startedAt > steadyAfterMs ? 0 : failures;
      const delayMs = Math.min(restartDelayMs * 2 ** failed, restartDelayMsMax);
      options.onEvent(`${role} ended (${signal ?? `exit code ${code}`}), starts again in ${delayMs} ms`);
      setTimeout(() => {
        if (!stopping) start(role, failed + 1);
      }, delayMs);
    });
  }

  for (const role of options.roles) start(role, 0);
  return {
    async stop() {
      stopping = true;
      await Promise.all([...children.values()].map(endChild));
    },
  };
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), stopGraceMs);
  await gone;
  clearTimeout(force);
}

function keepLog(child: ChildProcess, folder: string, role: RoleName): void {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${role}.log`);
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > logBytesMax) renameSync(file, `${file}.1`);
  const log = createWriteStream(file, { flags: 'a' });
  // A full disk costs log lines, not the processes.
  log.on('error', () => undefined);
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  child.once('close', () => log.end());
}
