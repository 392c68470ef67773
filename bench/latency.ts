import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { readTopic } from '../adapters/kafka/reader.ts';
import { jsonCodecs } from '../core/codec/json-codec.ts';
import { type Measurement, measureUntilSettled, memoryNote, progressOf, rolesRssMB } from './measurement.ts';
import { type Rig, withRig } from './rig.ts';
import type { Result, Scenario, ScenarioContext } from './scenario.ts';
import { Sender } from './sender.ts';
import { Course, pipelineRoles, runPreloaded } from './steps.ts';
import { verify } from './verification.ts';
import { resolvedTopic } from './workload.ts';

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

interface PacedRun {
  readonly measured: Measurement;
  /** From due at the sender to committed in PostgreSQL. */
  readonly commit: Percentiles;
  /** From due at the sender to appended to the resolved topic, which is done only after the commit is durable. */
  readonly resolved: Percentiles;
}

const p50MsWanted = 25;
const p99MsWanted = 80;
const idleRssMBMax = 400;
const idlePerSecond = 500;
const fasterRates = [3_000, 6_000];
const warmUpSeconds = 10;
/** A server that keeps the time of each commit tells when a row became true without anybody watching. */
const commitTimes = { track_commit_timestamp: 'on' };

export const latency: Scenario = {
  name: 'latency',
  promise: '500 changes/s, end to end into the tables; 3,000/s and 6,000/s beside it',
  run: (context) =>
    withRig({ ...context.rig, postgresParameters: commitTimes }, async (rig) => {
      const { sender, course } = await prefilled(rig, context);
      await rig.startRoles(pipelineRoles);
      const results: Result[] = [];
      for (const rate of [idlePerSecond, ...fasterRates]) {
        const seconds = pacedSeconds(context, rate);
        await paced(rig, sender, course, rate, context.quick ? 2 : warmUpSeconds);
        const run = await paced(rig, sender, course, rate, seconds);
        results.push(...latencyResults(rate, run));
      }
      await verify(rig, { sent: course.sent, applied: course.changed, unchanged: 0, entities: course.entities });
      return results;
    }),
};

export const memoryIdle: Scenario = {
  name: 'memory-idle',
  promise: 'memory of our processes at 500 changes/s',
  run: (context) =>
    withRig({ ...context.rig, supervisor: 'start' }, async (rig) => {
      const sender = await Sender.open(rig);
      const course = new Course(context.quick ? 1_000 : 10_000);
      await rig.startRoles(pipelineRoles);
      const atStartMB = rolesRssMB(rig);
      const before = await progressOf(rig);
      const events = idlePerSecond * pacedSeconds(context, idlePerSecond);
      const measuring = measureUntilSettled(rig, before, events);
      await together(measuring, sendPaced(rig, sender, course, idlePerSecond, events));
      const measured = await measuring;
      await verify(rig, { sent: course.sent, applied: course.changed, unchanged: 0, entities: course.entities });
      return [
        {
          scenario: 'memory-idle',
          value: measured.rssMB,
          unit: 'MB at most',
          wanted: { below: idleRssMBMax },
          baseline: null,
          ratio: null,
          rssMB: measured.rssMB,
          notes: {
            'MB at start': Math.round(atStartMB),
            'MB at the end': memoryNote(rig),
            'cores busy for others': measured.strangersCores.toFixed(2),
          },
        },
      ];
    }),
};

async function prefilled(rig: Rig, context: ScenarioContext): Promise<{ sender: Sender; course: Course }> {
  // More entities than a batch has records: each change has its own golden version on the resolved topic.
  const course = new Course(context.quick ? 10_000 : 100_000);
  const sender = await Sender.open(rig);
  await runPreloaded(rig, sender, course.entities, course.changes(course.entities));
  await rig.stopRoles();
  return { sender, course };
}

function pacedSeconds({ quick }: ScenarioContext, rate: number): number {
  if (quick) return 3;
  return rate === idlePerSecond ? 60 : 20;
}

async function paced(rig: Rig, sender: Sender, course: Course, rate: number, seconds: number): Promise<PacedRun> {
  const events = rate * seconds;
  const before = await progressOf(rig);
  const sinceMs = Date.now();
  const measuring = measureUntilSettled(rig, before, events);
  await together(measuring, sendPaced(rig, sender, course, rate, events));
  const measured = await measuring;
  return { measured, commit: await commitLatency(rig, sinceMs, events), resolved: await resolvedLatency(rig, sinceMs, events) };
}

/** Each event's commit time at its source is when it was due at the sender, waiting for its turn included. */
function sendPaced(rig: Rig, sender: Sender, course: Course, rate: number, events: number): Promise<void> {
  const changeAt = course.changes(events);
  return sender.pace(events, rate, (n, dueMs) => ({ ...changeAt(n), occurredAtMs: dueMs }), rig.signal);
}

async function together(measuring: Promise<unknown>, sending: Promise<void>): Promise<void> {
  await Promise.race([sending, measuring.then(() => sending)]);
}

async function commitLatency(rig: Rig, sinceMs: number, events: number): Promise<Percentiles> {
  const { rows } = await rig.pool.query<Percentiles & { events: number }>(
    `SELECT count(*)::int AS events, percentile_disc(0.5) WITHIN GROUP (ORDER BY ms) AS p50,
       percentile_disc(0.99) WITHIN GROUP (ORDER BY ms) AS p99, max(ms) AS max
     FROM (SELECT (extract(epoch FROM pg_xact_commit_timestamp(xmin) - timestamp) * 1000)::float8 AS ms
           FROM source_events WHERE timestamp >= to_timestamp($1 / 1000.0)) AS timed`,
    [sinceMs],
  );
  const { events: found, ...percentiles } = rows[0]!;
  assert.equal(found, events, 'every event has a commit time');
  return percentiles;
}

/** The time of its event stands in the first 48 bits of an event id. */
function dueMsOf(eventId: string): number {
  return Number.parseInt(eventId.slice(0, 8) + eventId.slice(9, 13), 16);
}

async function resolvedLatency(rig: Rig, sinceMs: number, events: number): Promise<Percentiles> {
  const codec = await jsonCodecs().for('golden', resolvedTopic);
  let latencies: number[] = [];
  // The last batch is published just after its commit.
  for (let attempt = 0; attempt < 20; attempt++) {
    latencies = [];
    for await (const { records } of readTopic(rig.kafka, resolvedTopic)) {
      for (const { value, timestampMs } of records) {
        if (value === null || timestampMs < sinceMs) continue;
        const dueMs = dueMsOf(codec.decode(value).eventId);
        if (dueMs >= sinceMs) latencies.push(timestampMs - dueMs);
      }
    }
    if (latencies.length >= events) break;
    await sleep(200, undefined, { signal: rig.signal });
  }
  latencies.sort((left, right) => left - right);
  const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(share * latencies.length))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function latencyResults(rate: number, { measured, commit, resolved }: PacedRun): Result[] {
  const isWanted = rate === idlePerSecond;
  const shared = { unit: 'ms', baseline: null, ratio: null, rssMB: measured.rssMB };
  const notes = {
    'max ms': commit.max.toFixed(0),
    'until on the resolved topic, ms': `p50 ${resolved.p50} p99 ${resolved.p99}`,
    'CPU s/100k': Object.entries(measured.cpuPer100k)
      .map(([name, seconds]) => `${name} ${seconds.toFixed(2)}`)
      .join(', '),
    'cores busy for others': measured.strangersCores.toFixed(2),
  };
  return [
    {
      scenario: `latency-${rate}-p50`,
      value: commit.p50,
      wanted: isWanted ? { below: p50MsWanted } : null,
      notes: {},
      ...shared,
    },
    { scenario: `latency-${rate}-p99`, value: commit.p99, wanted: isWanted ? { below: p99MsWanted } : null, notes, ...shared },
  ];
}
