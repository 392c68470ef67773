import { bareConsume, bareUpsert } from './baselines.ts';
import type { Measurement } from './measurement.ts';
import { type Rig, withRig } from './rig.ts';
import type { Result, Scenario } from './scenario.ts';
import { Sender } from './sender.ts';
import { Course, pipelineRoles, runLive, runPreloaded } from './steps.ts';
import { verify } from './verification.ts';
import { sharedConfigText } from './workload.ts';

const changesPerSecondWanted = 12_000;
const unchangedPerSecondWanted = 70_000;
/** A million entities may cost a fifth of the rate of a hundred thousand. */
const millionRatioWanted = 0.8;
/** The engine may cost a quarter of the rate. */
const engineShareWanted = 0.75;
const slopeMBPer100kMax = 5;
const rssMBMax = 800;
const cores = 2;
/**
 * A processor that starts sends on what its forerunner had announced, 20,000 records a partition, whatever the filter
 * says. The clock of the steady state starts well behind.
 */
const afterRestart = 120_000;

export const allChange: Scenario = {
  name: 'all-change',
  promise: '100,000 entities, every event a change of all 12 fields, raw topic to tables',
  run: (context) =>
    withRig(context.rig, async (rig) => {
      const size = context.quick ? { entities: 10_000, events: 30_000 } : { entities: 100_000, events: 300_000 };
      const { measured, course } = await changesAfterPrefill(rig, size.entities, size.events);
      await rig.stopRoles();
      const upsert = await bareUpsert(rig, size.entities, size.events, new Course(size.entities).changes(size.events));
      const consume = await bareConsume(rig, course.sent);
      return [
        {
          ...throughputResult('all-change', measured, changesPerSecondWanted),
          baseline: upsert,
          ratio: measured.perSecond / upsert,
          notes: {
            ...costNotes(measured),
            'bare upsert/s': Math.round(upsert),
            'bare consume/s': Math.round(consume),
            'of bare consume': round(measured.perSecond / consume, 3),
          },
        },
      ];
    }),
};

export const unchanged: Scenario = {
  name: 'unchanged',
  promise: 'nothing changed: the filter stops every event',
  run: (context) =>
    withRig(context.rig, async (rig) => {
      const { entities, events } = context.quick
        ? { entities: 10_000, events: 30_000 }
        : { entities: 100_000, events: 1_000_000 };
      const sender = await Sender.open(rig);
      const course = new Course(entities);
      await rig.startRoles(pipelineRoles);
      await runLive(rig, sender, entities, course.changes(entities));
      const cold = await runLive(rig, sender, entities, course.repeats(entities));
      const all = afterRestart + events;
      const steady = await runPreloaded(rig, sender, all, course.repeats(all), afterRestart);
      await verify(rig, {
        sent: course.sent,
        applied: entities,
        unchanged: entities + all,
        entities,
        forwardedMax: entities + afterRestart,
      });
      return [
        { ...throughputResult('unchanged', steady, unchangedPerSecondWanted), notes: costNotes(steady) },
        { ...throughputResult('unchanged-cold', cold, null), notes: costNotes(cold) },
      ];
    }),
};

export const millionEntities: Scenario = {
  name: 'million-entities',
  promise: 'all-change with 1,000,000 entities, against 100,000 in the same run',
  async run(context) {
    const events = context.quick ? 30_000 : 300_000;
    const [few, many] = context.quick ? [5_000, 50_000] : [100_000, 1_000_000];
    const small = await withRig(context.rig, (rig) => changesAfterPrefill(rig, few!, events));
    const large = await withRig(context.rig, (rig) => changesAfterPrefill(rig, many!, events));
    const ratio = large.measured.perSecond / small.measured.perSecond;
    return [
      {
        scenario: 'million-entities',
        value: ratio,
        unit: 'of the rate with a tenth of them',
        wanted: { atLeast: millionRatioWanted },
        baseline: small.measured.perSecond,
        ratio,
        rssMB: large.measured.rssMB,
        notes: { 'events/s': Math.round(large.measured.perSecond), ...costNotes(large.measured) },
      },
    ];
  },
};

export const engineShare: Scenario = {
  name: 'engine-share',
  promise: 'all-change of a kind that two sources share, so that the conflict engine decides, against a kind of one source',
  async run(context) {
    const [entities, events] = context.quick ? [10_000, 30_000] : [50_000, 200_000];
    const alone = await withRig(context.rig, (rig) => changesAfterPrefill(rig, entities!, events!));
    const shared = await withRig({ ...context.rig, configText: sharedConfigText }, (rig) =>
      changesAfterPrefill(rig, entities!, events!),
    );
    const ratio = shared.measured.perSecond / alone.measured.perSecond;
    return [
      {
        scenario: 'engine-share',
        value: ratio,
        unit: 'of the rate without the engine',
        wanted: { atLeast: engineShareWanted },
        baseline: alone.measured.perSecond,
        ratio,
        rssMB: shared.measured.rssMB,
        notes: {
          'events/s': Math.round(shared.measured.perSecond),
          ...costNotes(shared.measured),
          'CPU of it': round(cpuOf(alone.measured) / cpuOf(shared.measured), 2),
        },
      },
    ];
  },
};

export const memory: Scenario = {
  name: 'memory',
  promise: 'flat memory of our processes over 1,000,000 changes at full load',
  run: (context) =>
    withRig({ ...context.rig, supervisor: 'start' }, async (rig) => {
      const size = context.quick ? { entities: 10_000, events: 60_000 } : { entities: 100_000, events: 1_000_000 };
      const { measured } = await changesAfterPrefill(rig, size.entities, size.events);
      const slope = slopePer100k(measured);
      return [
        {
          scenario: 'memory',
          value: measured.rssMB,
          unit: 'MB at most',
          wanted: { below: rssMBMax },
          baseline: null,
          ratio: null,
          rssMB: measured.rssMB,
          notes: { 'events/s': Math.round(measured.perSecond), ...costNotes(measured) },
        },
        {
          scenario: 'memory-slope',
          value: slope,
          unit: 'MB per 100,000 events in the second half',
          wanted: context.quick ? null : { below: slopeMBPer100kMax },
          baseline: null,
          ratio: null,
          rssMB: measured.rssMB,
          notes: {},
        },
      ];
    }),
};

async function changesAfterPrefill(
  rig: Rig,
  entities: number,
  events: number,
): Promise<{ measured: Measurement; course: Course }> {
  const sender = await Sender.open(rig);
  const course = new Course(entities);
  await runPreloaded(rig, sender, entities, course.changes(entities));
  const measured = await runPreloaded(rig, sender, events, course.changes(events));
  await verify(rig, { sent: course.sent, applied: course.changed, unchanged: 0, entities });
  return { measured, course };
}

function throughputResult(scenario: string, measured: Measurement, wanted: number | null): Result {
  return {
    scenario,
    value: measured.perSecond,
    unit: 'events/s',
    wanted: wanted === null ? null : { atLeast: wanted },
    baseline: null,
    ratio: null,
    rssMB: measured.rssMB,
    notes: {},
  };
}

export function costNotes(measured: Measurement): Record<string, number | string> {
  const cpu = Object.entries(measured.cpuPer100k).map(([name, seconds]) => `${name} ${seconds.toFixed(2)}`);
  const total = cpuOf(measured);
  return {
    seconds: round(measured.seconds, 1),
    'CPU s/100k': cpu.join(', '),
    'by CPU, two idle cores give/s': Math.round((cores * 1e5) / total),
    'cores busy for others': round(measured.strangersCores, 2),
  };
}

function cpuOf({ cpuPer100k }: Measurement): number {
  return Object.values(cpuPer100k).reduce((sum, seconds) => sum + seconds, 0);
}

/** Least squares over the second half: what the start takes up is not growth. */
function slopePer100k({ samples, events }: Measurement): number {
  const late = samples.filter((sample) => sample.settled >= events / 2);
  const n = late.length;
  if (n < 3) return 0;
  const meanX = late.reduce((total, sample) => total + sample.settled, 0) / n;
  const meanY = late.reduce((total, sample) => total + sample.rssMB, 0) / n;
  const across = late.reduce((total, sample) => total + (sample.settled - meanX) * (sample.rssMB - meanY), 0);
  const spread = late.reduce((total, sample) => total + (sample.settled - meanX) ** 2, 0);
  return spread === 0 ? 0 : (across / spread) * 1e5;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
