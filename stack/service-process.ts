import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { SyncError } from '../core/errors.ts';
import type { Guardian } from './guardian.ts';
import { identityOf, type ProcessIdentity } from './process-identity.ts';

export interface ServiceCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory: string;
  /** The user it runs as, where it must not be root. */
  readonly user?: SystemUser | undefined;
  /** Ends it gracefully. */
  readonly stopSignal: 'SIGTERM' | 'SIGINT';
  readonly logFile: string;
}

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

export interface ServiceProcess {
  readonly identity: ProcessIdentity;
  /** Resolves when the process is gone, with how it went. */
  readonly ended: Promise<string>;
  hasEnded(): boolean;
  lastLogLines(): string[];
}

/** The shell tells the guardian its process id and then becomes the service: there is no moment at which a service runs unguarded. */
const launchScript = 'echo "guard $$ $1" >&3 || exit 125; exec 3>&-; shift; exec "$@"';
const inheritedVariables = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH'];
const logBytesMax = 10 * 1024 * 1024;
const tailBytesMax = 16 * 1024;
const tailLinesMax = 15;

export async function startService(name: string, command: ServiceCommand, guardian: Guardian): Promise<ServiceProcess> {
  const log = openLog(command.logFile);
  const signalName = command.stopSignal.replace('SIG', '');
  const child = spawn('/bin/sh', ['-c', launchScript, name, signalName, command.file, ...command.args], {
    detached: true,
    cwd: command.directory,
    env: { ...inheritedEnvironment(), ...command.environment },
    stdio: ['ignore', log.descriptor, log.descriptor, guardian.channel],
    ...(command.user ?? {}),
  });
  closeSync(log.descriptor);
  const ended = outcomeOf(child);
  if (child.pid === undefined) {
    throw new SyncError('stack.start-failed', `${name} could not be started: ${await ended}`, { details: { part: name } });
  }
  const { pid } = child;
  const identity = identityOf(pid) ?? { pid, startedAt: '' };
  return {
    identity,
    ended,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    lastLogLines: () => tail(command.logFile, log.startsAt),
  };
}

/** Services take settings from the environment too (PG…, QUARKUS_…), and ours holds secrets that are not theirs. */
function inheritedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    inheritedVariables.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

/** Appends, so that the log of a crash survives the next start; the one before the last is dropped when it has grown. */
function openLog(file: string): { descriptor: number; startsAt: number } {
  mkdirSync(dirname(file), { recursive: true });
  const grown = statSync(file, { throwIfNoEntry: false });
  if (grown !== undefined && grown.size > logBytesMax) renameSync(file, `${file}.1`);
  const descriptor = openSync(file, 'a');
  return { descriptor, startsAt: statSync(file).size };
}

function outcomeOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `ended by ${signal}`));
  });
}

function tail(file: string, startsAt: number): string[] {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const from = Math.max(startsAt, size - tailBytesMax);
  const buffer = Buffer.alloc(Math.max(0, size - from));
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, buffer, 0, buffer.length, from);
  } finally {
    closeSync(descriptor);
  }
  return buffer
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-tailLinesMax);
}
