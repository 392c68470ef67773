import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { familyFigures, machineCpuSeconds, processFigures, proportionalMB } from './process-figures.ts';
import type { Rig } from './rig.ts';

/** Where the pipeline stands, read from its tables by a connection of our own. */
export interface Progress {
  readonly atMs: number;
  /** Raw records the processors have settled. */
  readonly read: number;
  /** Raw records with a final outcome. */
  readonly settled: number;
}

export interface MemorySample {
  readonly atMs: number;
  readonly settled: number;
  readonly rssMB: number;
}

export interface Measurement {
  readonly events: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly rssMB: number;
  readonly samples: readonly MemorySample[];
  /** CPU seconds by process per 100,000 events. */
  readonly cpuPer100k: Readonly<Record<string, number>>;
  /** Cores that somebody else kept busy meanwhile. */
  readonly strangersCores: number;
}

const pollMs = 50;
const sampleMs = 1_000;
const stallMsMax = 60_000;

export async function progressOf(rig: Rig): Promise<Progress> {
  const { rows } = await rig.pool.query<{ read: number; settled: number }>({
    name: 'bench-progress',
    text: `SELECT (SELECT coalesce(sum(next_offset), 0)::float8 FROM processor_progress) AS read,
             (SELECT coalesce(sum(records), 0)::float8 FROM raw_outcomes) AS settled`,
  });
  return { atMs: performance.now(), read: rows[0]!.read, settled: rows[0]!.settled };
}

/**
 * From the moment the first stage is seen to move until every one of `events` more records has its outcome in
 * PostgreSQL. With `warmUp` the clock starts when that many of them have theirs. Fails when nothing moves for a minute.
 */
export function measureUntilSettled(rig: Rig, before: Progress, events: number, warmUp = 0): Promise<Measurement> {
  return measureUntil(rig, before, events, async ({ settled }) => settled >= before.settled + events, warmUp);
}

/** The same, where something else tells that the events have reached their end. */
export async function measureUntil(
  rig: Rig,
  before: Progress,
  events: number,
  isFinished: (progress: Progress) => Promise<boolean>,
  warmUp = 0,
): Promise<Measurement> {
  const cpuOf = cpuMeter(rig);
  let first: { progress: Progress; cpu: Record<string, number>; machine: number; ours: number } | undefined;
  let last = await progressOf(rig);
  let movedMs = last.atMs;
  let sampledMs = 0;
  const samples: MemorySample[] = [];
  while (!(await isFinished(last))) {
    await sleep(pollMs, undefined, { signal: rig.signal });
    const now = await progressOf(rig);
    if (now.read > last.read || now.settled > last.settled) movedMs = now.atMs;
    if (first === undefined && now.read > before.read && now.settled >= before.settled + warmUp) {
      const cpu = cpuOf();
      first = { progress: now, cpu, machine: machineCpuSeconds(), ours: sumOf(cpu) };
    }
    if (now.atMs - sampledMs >= sampleMs) {
      sampledMs = now.atMs;
      samples.push({ atMs: now.atMs, settled: now.settled - before.settled, rssMB: rolesRssMB(rig) });
    }
    assert(now.atMs - movedMs < stallMsMax, `the pipeline stands still at ${now.settled - before.settled} of ${events} events`);
    last = now;
  }
  samples.push({ atMs: last.atMs, settled: events, rssMB: rolesRssMB(rig) });
  assert(first !== undefined, 'the pipeline was seen to move');
  const cpu = cpuOf();
  const counted = events - (first.progress.settled - before.settled);
  const seconds = (last.atMs - first.progress.atMs) / 1_000;
  const spent = Object.entries(cpu).map(([name, total]) => [name, ((total - (first.cpu[name] ?? 0)) / counted) * 1e5] as const);
  const strangers = machineCpuSeconds() - first.machine - (sumOf(cpu) - first.ours);
  return {
    events,
    seconds,
    perSecond: counted / seconds,
    rssMB: Math.max(...samples.map((sample) => sample.rssMB)),
    samples,
    cpuPer100k: Object.fromEntries(spent),
    strangersCores: Math.max(0, strangers) / seconds,
  };
}

export function rolesRssMB(rig: Rig): number {
  return rig.roles.reduce((total, role) => total + processFigures(role.pid).rssMB, 0);
}

/** What each process holds, and beside it what it would hold alone: pages of the Node binary are counted by their users. */
export function memoryNote(rig: Rig): string {
  const figures = rig.roles.map(
    ({ role, pid }) => `${role} ${processFigures(pid).rssMB.toFixed(0)} (${proportionalMB(pid).toFixed(0)})`,
  );
  return `${figures.join(', ')}; in brackets PSS`;
}

/** Cumulative CPU seconds by the names of our processes, the services and ourselves. */
function cpuMeter(rig: Rig): () => Record<string, number> {
  return () => ({
    ...Object.fromEntries(rig.roles.map((role) => [role.role, processFigures(role.pid).cpuSeconds])),
    ...Object.fromEntries(Object.entries(rig.servicePids).map(([name, pid]) => [name, familyFigures(pid).cpuSeconds])),
    bench: processFigures(process.pid).cpuSeconds,
  });
}

function sumOf(figures: Readonly<Record<string, number>>): number {
  return Object.values(figures).reduce((total, value) => total + value, 0);
}
