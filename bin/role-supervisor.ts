import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { LogFile, type LogFileLimits } from './log-file.ts';
import { flagsOfRole, leanEntry, leanEnvironment } from './process-memory.ts';
import type { RoleName } from './roles/role.ts';

const restartDelayMs = 200;
const restartDelayMsMax = 5_000;
/** A role that lived this long starts its delays anew when it dies. */
const steadyAfterMs = 30_000;

export interface SupervisorOptions {
  readonly roles: readonly RoleName[];
  readonly env: Readonly<Record<string, string>>;
  /** Null: the roles write to our own standard output. */
  readonly logs: RoleLogs | null;
  onEvent(line: string): void;
}

export interface RoleLogs {
  readonly folder: string;
  readonly limits: LogFileLimits;
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
  const output = options.logs === null ? 'inherit' : 'pipe';

  function start(role: RoleName, failures: number): void {
    const startedAt = Date.now();
    const child = fork(leanEntry, ['role', role], {
      env: { ...leanEnvironment, ...process.env, ...options.env },
      execArgv: [...flagsOfRole(role)],
      stdio: ['ignore', output, output, 'ipc'],
      // A Ctrl-C in the terminal reaches only us: we decide the order in which things end.
      detached: true,
    });
    children.set(role, child);
    if (options.logs !== null) keepLog(child, options.logs, role);
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

function keepLog(child: ChildProcess, { folder, limits }: RoleLogs, role: RoleName): void {
  const log = new LogFile(join(folder, `${role}.log`), limits);
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  child.once('close', () => log.end());
}
