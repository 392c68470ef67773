import { type Contender, DebeziumCapture, OurSource, sourcesText } from './capture-contender.ts';
import { CaptureTable } from './capture-table.ts';
import { type Arrival, checkArrivals } from './capture-topic.ts';
import { Contest, contestResult, type Outcome } from './contest.ts';
import { type Rig, withRig } from './rig.ts';
import { ConnectWorker } from './rivals/connect-worker.ts';
import { forLatency } from './rivals/debezium-settings.ts';
import type { Result, Scenario } from './scenario.ts';
import { partitions } from './workload.ts';

const timesRival = 1.5;
const memoryOfRival = 1 / 3;
const p99MsMax = 40;
const perSecondPaced = 500;
const rounds = 2;

export const capture: Scenario = {
  name: 'capture',
  promise: '200,000 updates from the log of PostgreSQL to a topic, against Debezium',
  run: (context) =>
    withRig({ ...context.rig, ...captureRig('{ mode: logical }', ['shop']) }, async (rig) => {
      const [rows, warmUpSeconds, seconds] = context.quick ? [10_000, 2, 4] : [200_000, 5, 30];
      const table = await CaptureTable.create(rig, shopUrl(rig), rows);
      const worker = await ConnectWorker.open(rig);
      const contest = new Contest(rig);
      try {
        const ours = contest.enter(await OurSource.open(rig, table, 'shop'));
        const rival = contest.enter(await DebeziumCapture.open(worker, table, { name: 'rival', snapshot: 'no_data' }));
        await beginBoth(rig, table, ours, rival);
        for (let round = 0; round < rounds; round++) await burst(table, contest, [ours, rival]);
        await rival.resume();
        await rival.start(forLatency);
        await rival.stop();
        const [late, rivalLate] = await pacedBoth(table, [ours, rival], warmUpSeconds, seconds);
        return results(contest.outcomeOf(ours.name), contest.outcomeOf(rival.name), late!, rivalLate!);
      } finally {
        await contest.close();
        await worker.close();
        await table.close();
      }
    }),
};

/** A source that reads the table in this mode; commits keep their time. */
export function captureRig(options: string, sources: readonly string[]) {
  return {
    configText: `profile: development
kafka: { brokers: embedded, partitions: ${partitions} }
postgres: { url: embedded }
redis: { url: embedded }
serialization: json
api: { port: 0 }
${sourcesText(sources, options)}`,
    variablesOf: ({ postgres }: Rig['addresses']) => ({ SHOP_URL: databaseUrl(postgres!, 'shop') }),
    postgresParameters: { track_commit_timestamp: 'on' },
  };
}

export function shopUrl(rig: Rig): string {
  return databaseUrl(rig.addresses.postgres!, 'shop');
}

/** Another database of the same server. */
export function databaseUrl(address: string, name: string): string {
  const url = new URL(address);
  url.pathname = `/${name}`;
  return url.href;
}

/** Both read, and have warmed up on every row once. */
async function beginBoth(rig: Rig, table: CaptureTable, ours: OurSource, rival: DebeziumCapture): Promise<void> {
  await rig.startRoles(['source']);
  // Ours reads the table first; the rival is asked for changes alone.
  await ours.topic.arrived(table.rows, () => ours.check());
  await rival.start();
  await table.slotIsRead('rival');
  await ours.topic.mark();
  await table.changeAll();
  for (const side of [ours, rival]) {
    await side.topic.arrived(table.rows, () => side.check());
    await side.stop();
  }
}

/** The same changes for both, made while neither reads; then one reads, and the other after it. */
async function burst(table: CaptureTable, contest: Contest, sides: readonly Contender[]): Promise<void> {
  for (const { topic } of sides) await topic.mark();
  await table.changeAll();
  for (const side of sides) {
    await contest.measure(side, table.rows, table.version, () => side.resume());
    await side.stop();
  }
}

/** One after the other; who comes later catches up before it is measured. */
async function pacedBoth(
  table: CaptureTable,
  sides: readonly Contender[],
  warmUpSeconds: number,
  seconds: number,
): Promise<(readonly number[])[]> {
  const changes = table.changes;
  for (const { topic } of sides) await topic.mark();
  const all: number[][] = [];
  for (const side of sides) {
    await side.resume();
    await table.changePaced(warmUpSeconds * perSecondPaced, perSecondPaced);
    await side.topic.arrived(table.changes - changes, () => side.check());
    await side.topic.mark();
    const count = seconds * perSecondPaced;
    await table.changePaced(count, perSecondPaced);
    await side.topic.arrived(count, () => side.check());
    const arrivals = await side.topic.arrivals(side.rowOf);
    await side.stop();
    checkArrivals(arrivals, count, table.version, side.name);
    all.push(lateness(arrivals, await table.commitTimes()));
  }
  return all;
}

/** From the commit of each change to its place on the topic, in milliseconds, in order. */
function lateness(arrivals: readonly Arrival[], committed: ReadonlyMap<number, number>): number[] {
  return arrivals.map(({ id, atMs }) => atMs - committed.get(id)!).sort((left, right) => left - right);
}

function results(ours: Outcome, rival: Outcome, late: readonly number[], rivalLate: readonly number[]): Result[] {
  const [p99, rivalP99] = [shareOf(late, 0.99), shareOf(rivalLate, 0.99)];
  return [
    contestResult('capture', 'events/s, counted at the topic', ours, rival, timesRival),
    {
      scenario: 'capture-memory',
      value: ours.rssMB,
      unit: 'MB of the reading process at most',
      wanted: { below: memoryOfRival * rival.rssMB },
      baseline: rival.rssMB,
      ratio: ours.rssMB / rival.rssMB,
      rssMB: ours.rssMB,
      notes: {},
    },
    {
      scenario: 'capture-p99',
      value: p99,
      unit: 'ms from commit to topic at 500/s',
      wanted: { below: p99MsMax },
      baseline: rivalP99,
      ratio: p99 / rivalP99,
      rssMB: null,
      notes: { ms: latenessNote(late), 'Debezium ms': latenessNote(rivalLate) },
    },
  ];
}

function latenessNote(sorted: readonly number[]): string {
  return [0.5, 0.99, 1]
    .map((share) => `${share === 1 ? 'max' : `p${share * 100}`} ${shareOf(sorted, share).toFixed(1)}`)
    .join(', ');
}

function shareOf(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
