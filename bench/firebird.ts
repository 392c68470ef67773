import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { captureRig } from './capture.ts';
import { CaptureTopic, spanOf } from './capture-topic.ts';
import { bareLoop, createFirebirdTable, firebirdTable, firebirdUrl } from './firebird-table.ts';
import { cpuNote, Meter, type Reading } from './meter.ts';
import { type Rig, withRig } from './rig.ts';
import type { Result, Scenario } from './scenario.ts';

const shareOfBareWanted = 0.6;
const comparedPerSecondWanted = 40_000;
const looks = 4;
const pollMs = 50;
const lookMsMax = 300_000;
const topicName = `source.shop.item`;

interface Look {
  readonly seconds: number;
  readonly reading: Reading;
}

export const firebirdScenario: Scenario = {
  name: 'firebird',
  promise: '1,000,000 rows of Firebird to a topic, against a loop that only reads them; then compared, unchanged',
  run: (context) =>
    withRig({ ...context.rig, ...firebirdRig() }, async (rig) => {
      const rows = context.quick ? 20_000 : 1_000_000;
      const place = await createFirebirdTable(rig, rows);
      const bareBefore = await bareLoop(place, rows);
      const topic = await CaptureTopic.open(rig, topicName);
      try {
        await rig.startRoles(['source']);
        const meter = new Meter(rig, sourceOf(rig));
        await topic.arrived(rows, () => failure(rig));
        const reading = meter.read();
        const compared: Look[] = [];
        for (let look = 0; look < looks; look++) compared.push(await nextLook(rig));
        await rig.stopRoles();
        const bareAfter = await bareLoop(place, rows);
        const arrivals = await topic.arrivals(rowOf);
        assert.equal(new Set(arrivals.map(({ id }) => id)).size, rows, 'every row came');
        assert.equal(arrivals.length, rows, 'an unchanged table tells nothing');
        const bare = (bareBefore + bareAfter) / 2;
        return [snapshotResult(spanOf(arrivals).perSecond, bare, rows, reading), compareResult(compared, rows)];
      } finally {
        await topic.close();
      }
    }),
};

function firebirdRig() {
  const rig = captureRig('', []);
  const source = `  shop:
    connector: firebird
    url: \${FIREBIRD_URL}
    entities:
      item: { table: ${firebirdTable}, every: 1s }
`;
  return {
    ...rig,
    configText: `${rig.configText}${source}`,
    variablesOf: (addresses: Rig['addresses']) => ({ FIREBIRD_URL: firebirdUrl(addresses) }),
    furtherParts: ['firebird'] as const,
  };
}

function sourceOf(rig: Rig): Record<string, number> {
  return Object.fromEntries(rig.roles.map(({ role, pid }) => [role, pid]));
}

async function failure(rig: Rig): Promise<void> {
  const { rows } = await rig.pool.query<{ reason: string }>('SELECT reason FROM source_streams WHERE reason IS NOT NULL');
  if (rows[0] !== undefined) throw new Error(rows[0].reason);
}

/** The next look at the table from its beginning to its end, by the times the stream itself stores. */
async function nextLook(rig: Rig): Promise<Look> {
  const { draw } = await lookNow(rig);
  const begun = await until(rig, (now) => now.draw > draw);
  const meter = new Meter(rig, sourceOf(rig));
  const ended = await until(rig, (now) => now.draw > begun.draw || now.phase === 'waiting');
  // A look that takes longer than the time between two is followed by the next at once.
  const endedAtMs = ended.draw > begun.draw ? ended.begunAtMs : ended.updatedAtMs;
  return { seconds: (endedAtMs - begun.begunAtMs) / 1_000, reading: meter.read() };
}

interface LookNow {
  readonly draw: number;
  readonly begunAtMs: number;
  readonly phase: string;
  readonly updatedAtMs: number;
}

async function lookNow(rig: Rig): Promise<LookNow> {
  const { rows } = await rig.pool.query<LookNow>(
    `SELECT (mark->>'draw')::float8 AS draw, (mark->>'begunAtMs')::float8 AS "begunAtMs", phase,
       (extract(epoch FROM updated_at) * 1000)::float8 AS "updatedAtMs" FROM source_streams`,
  );
  return rows[0]!;
}

async function until(rig: Rig, isSo: (now: LookNow) => boolean): Promise<LookNow> {
  for (let waitedMs = 0; waitedMs < lookMsMax; waitedMs += pollMs) {
    const now = await lookNow(rig);
    if (isSo(now)) return now;
    await sleep(pollMs, undefined, { signal: rig.signal });
  }
  await failure(rig);
  throw new Error(`the table was not looked at within ${lookMsMax / 1_000} s`);
}

function rowOf(value: Buffer): { id: number; version: number } {
  return { id: (JSON.parse(value.toString('utf8')) as { data: { ID: number } }).data.ID, version: 0 };
}

function snapshotResult(perSecond: number, bare: number, rows: number, reading: Reading): Result {
  return {
    scenario: 'firebird',
    value: perSecond,
    unit: 'rows/s, counted at the topic',
    wanted: { atLeast: shareOfBareWanted * bare },
    baseline: bare,
    ratio: perSecond / bare,
    rssMB: reading.rssMB,
    notes: { 'CPU s/100k': cpuNote(reading.cpuSeconds, rows), 'cores busy for others': reading.strangersCores.toFixed(2) },
  };
}

function compareResult(compared: readonly Look[], rows: number): Result {
  const seconds = compared.reduce((sum, look) => sum + look.seconds, 0);
  const cpu: Record<string, number> = {};
  for (const { reading } of compared) {
    for (const [name, spent] of Object.entries(reading.cpuSeconds)) cpu[name] = (cpu[name] ?? 0) + spent;
  }
  return {
    scenario: 'firebird-compare',
    value: (rows * compared.length) / seconds,
    unit: 'unchanged rows/s',
    wanted: { atLeast: comparedPerSecondWanted },
    baseline: null,
    ratio: null,
    rssMB: Math.max(...compared.map(({ reading }) => reading.rssMB)),
    notes: {
      'by look': compared.map((look) => Math.round(rows / look.seconds)).join(', '),
      'MB by look': compared.map(({ reading }) => Math.round(reading.rssMB)).join(', '),
      'CPU s/100k': cpuNote(cpu, rows * compared.length),
      'cores busy for others': compared.map(({ reading }) => reading.strangersCores.toFixed(2)).join(', '),
    },
  };
}
