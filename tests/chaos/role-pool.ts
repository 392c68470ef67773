import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TcpProxy } from './tcp-proxy.ts';

const entry = fileURLToPath(new URL('../../bin/syncline.ts', import.meta.url));
const restartDelayMs = 200;
const stopGraceMs = 15_000;

export type RoleName = 'processor' | 'sync-manager' | 'api' | 'target' | 'source';

/** One place for a process of a role: whoever dies in it is followed by another. */
export interface RoleSeat {
  readonly name: string;
  readonly role: RoleName;
  readonly pid: number;
  readonly starts: number;
  /** Its own, so that it can be stopped at a certain question while the others go on. */
  readonly postgresDoor: TcpProxy;
  /** As a power cut would: nothing of the process runs after it. False: nobody sits here at the moment. */
  kill(): boolean;
  pause(): void;
  resume(): void;
}

export interface RolePool {
  readonly seats: readonly RoleSeat[];
  /** The last lines each process wrote, for a failed test. */
  lastLines(): string;
  stop(): Promise<void>;
}

interface Seat extends RoleSeat {
  end(): Promise<void>;
  readonly logFile: string;
}

export interface SeatPlan {
  readonly role: RoleName;
  readonly postgresDoor: TcpProxy;
  readonly env: NodeJS.ProcessEnv;
}

export function startRoles(plans: readonly SeatPlan[], logFolder: string): RolePool {
  mkdirSync(logFolder, { recursive: true });
  const seats = plans.map((plan, at) => openSeat(plan, `${plan.role}-${at}`, logFolder));
  return {
    seats,
    lastLines: () => seats.map((seat) => `--- ${seat.name}\n${lastLinesOf(seat.logFile)}`).join('\n'),
    async stop() {
      await Promise.all(seats.map((seat) => seat.end()));
    },
  };
}

function openSeat({ role, postgresDoor, env }: SeatPlan, name: string, logFolder: string): Seat {
  const logFile = join(logFolder, `${name}.log`);
  let stopping = false;
  let paused = false;
  let starts = 0;
  let child: ChildProcess;
  let restart: NodeJS.Timeout | undefined;

  function start(): void {
    starts++;
    const log = openSync(logFile, 'a');
    child = fork(entry, ['role', role], { env, stdio: ['ignore', log, log, 'ipc'] });
    closeSync(log);
    child.once('exit', () => {
      if (!stopping) restart = setTimeout(start, restartDelayMs);
    });
  }
  start();

  return {
    name,
    role,
    postgresDoor,
    logFile,
    get pid() {
      return child.pid!;
    },
    get starts() {
      return starts;
    },
    kill() {
      const alive = child.exitCode === null && child.signalCode === null && !child.killed;
      return alive && child.kill('SIGKILL');
    },
    pause() {
      paused = true;
      child.kill('SIGSTOP');
    },
    resume() {
      paused = false;
      child.kill('SIGCONT');
    },
    async end() {
      stopping = true;
      clearTimeout(restart);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      if (paused) child.kill('SIGCONT');
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), stopGraceMs);
      await gone;
      clearTimeout(force);
    },
  };
}

const linesShown = 8;

function lastLinesOf(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-linesShown).join('\n');
}
