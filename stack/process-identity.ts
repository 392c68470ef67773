import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** A process id alone may be given to somebody else later; together with its start it names one process for ever. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startedAt: string;
}

interface ProcessRow {
  readonly pid: number;
  readonly parentPid: number;
  readonly ended: boolean;
  readonly startedAt: string;
}

export function identityOf(pid: number): ProcessIdentity | undefined {
  const row = readProcess(pid);
  return row === undefined || row.ended ? undefined : { pid, startedAt: row.startedAt };
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startedAt === identity.startedAt;
}

/** Every living process below this one, parents before children. */
export function descendantsOf(pid: number): ProcessIdentity[] {
  const childrenByParent = Map.groupBy(
    listProcesses().filter((row) => !row.ended),
    (row) => row.parentPid,
  );
  const found: ProcessIdentity[] = [];
  const queue = [pid];
  for (let parent = queue.shift(); parent !== undefined; parent = queue.shift()) {
    for (const child of childrenByParent.get(parent) ?? []) {
      found.push({ pid: child.pid, startedAt: child.startedAt });
      queue.push(child.pid);
    }
  }
  return found;
}

/** Sends a signal if the process is still the one we mean; says whether it was. */
export function signalProcess(
  identity: ProcessIdentity,
  signal: NodeJS.Signals,
  target: 'process' | 'group' = 'process',
): boolean {
  if (!isRunning(identity)) return false;
  try {
    process.kill(target === 'group' ? -identity.pid : identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

const hasProcFolder = process.platform === 'linux';

function readProcess(pid: number): ProcessRow | undefined {
  if (!hasProcFolder) return parsePs(ps(['-p', String(pid)]))[0];
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}

function listProcesses(): ProcessRow[] {
  if (!hasProcFolder) return parsePs(ps(['-A']));
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((row) => row !== undefined);
}

/** The command's name stands in parentheses and may hold anything, so fields are counted from its end. */
function parseStat(text: string): ProcessRow {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid: Number.parseInt(text, 10),
    ended: fields[0] === 'Z' || fields[0] === 'X',
    parentPid: Number(fields[1]),
    startedAt: fields[19] ?? '',
  };
}

function ps(selection: readonly string[]): string {
  const { stdout } = spawnSync('ps', ['-o', 'pid=,ppid=,stat=,lstart=', ...selection], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  return stdout ?? '';
}

function parsePs(text: string): ProcessRow[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [pid, parentPid, state, ...startedAt] = line.trim().split(/\s+/);
      return {
        pid: Number(pid),
        parentPid: Number(parentPid),
        ended: (state ?? 'Z').startsWith('Z'),
        startedAt: startedAt.join(' '),
      };
    });
}
