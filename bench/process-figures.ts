import { readdirSync, readFileSync } from 'node:fs';

/** What a group of processes has used and holds, read from /proc; elsewhere than on Linux nothing is known. */
export interface ProcessFigures {
  readonly cpuSeconds: number;
  readonly rssMB: number;
}

interface StatRow {
  readonly pid: number;
  readonly parentPid: number;
  readonly ownTicks: number;
  readonly endedChildrenTicks: number;
  readonly rssPages: number;
}

const ticksPerSecond = 100;
const pageBytes = 4_096;
const none: ProcessFigures = { cpuSeconds: 0, rssMB: 0 };

/** A process and everything below it; children that ended are in their parent's figures. */
export function familyFigures(root: number | undefined): ProcessFigures {
  if (root === undefined) return none;
  const rows = allRows();
  const children = Map.groupBy(rows, (row) => row.parentPid);
  const queue = rows.filter((row) => row.pid === root);
  let ticks = 0;
  let pages = 0;
  for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
    ticks += row.ownTicks + row.endedChildrenTicks;
    pages += row.rssPages;
    queue.push(...(children.get(row.pid) ?? []));
  }
  return { cpuSeconds: ticks / ticksPerSecond, rssMB: (pages * pageBytes) / 1e6 };
}

export function processFigures(pid: number): ProcessFigures {
  const row = readRow(String(pid));
  if (row === undefined) return none;
  return { cpuSeconds: row.ownTicks / ticksPerSecond, rssMB: (row.rssPages * pageBytes) / 1e6 };
}

/** Its memory with each shared page divided by those who share it. */
export function proportionalMB(pid: number): number {
  try {
    const kB = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
    return (Number(kB) * 1_024) / 1e6;
  } catch {
    return 0;
  }
}

/** CPU seconds the whole machine was busy since it started, whoever used them. */
export function machineCpuSeconds(): number {
  try {
    const [, user, nice, system, , , irq, softIrq, steal] = readFileSync('/proc/stat', 'utf8').split(/\s+/).map(Number);
    return (user! + nice! + system! + irq! + softIrq! + steal!) / ticksPerSecond;
  } catch {
    return 0;
  }
}

function allRows(): StatRow[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(readRow)
      .filter((row) => row !== undefined);
  } catch {
    return [];
  }
}

/** The command's name may hold anything, so fields are counted from the parenthesis that ends it. */
function readRow(pid: string): StatRow | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    return {
      pid: Number(pid),
      parentPid: fields[1]!,
      ownTicks: fields[11]! + fields[12]!,
      endedChildrenTicks: fields[13]! + fields[14]!,
      rssPages: fields[21]!,
    };
  } catch {
    return undefined;
  }
}
