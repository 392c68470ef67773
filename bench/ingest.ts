import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { rolesRssMB } from './measurement.ts';
import { type Rig, withRig } from './rig.ts';
import type { Result, Scenario } from './scenario.ts';
import { ingestConfigText } from './workload.ts';

interface ClientReport {
  readonly seconds: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const acceptedPerSecondWanted = 2_000;
const p99MsWanted = 100;
const pacedPerSecond = 500;
const concurrency = 64;
const settleMsMax = 120_000;
const clientFile = fileURLToPath(new URL('./ingest-client.ts', import.meta.url));

export const ingest: Scenario = {
  name: 'ingest',
  promise: 'POST /users, single events over 64 kept connections, and its latency at 500/s',
  async run(context) {
    const apiPort = await freePort();
    return withRig({ ...context.rig, configText: ingestConfigText, apiPort }, async (rig) => {
      await rig.startRoles(['processor', 'sync-manager', 'api']);
      const url = `http://127.0.0.1:${apiPort}`;
      await ready(rig, url);
      const [warmUp, full, calm] = context.quick ? [500, 2_000, 1_000] : [5_000, 60_000, 15_000];
      await post(rig, url, 0, warmUp!, null);
      const fast = await post(rig, url, warmUp!, full!, null);
      const rssMB = rolesRssMB(rig);
      const paced = await post(rig, url, warmUp! + full!, calm!, pacedPerSecond);
      await everyUserStored(rig, warmUp! + full! + calm!);
      return [
        result('ingest', full! / fast.seconds, 'accepted/s', { atLeast: acceptedPerSecondWanted }, rssMB, latencyNotes(fast)),
        result('ingest-latency', paced.p99, 'ms p99 at 500/s', { below: p99MsWanted }, rolesRssMB(rig), latencyNotes(paced)),
      ];
    });
  },
};

/** Every answer has to be a 200. */
async function post(rig: Rig, url: string, firstUser: number, requests: number, perSecond: number | null): Promise<ClientReport> {
  const order = { url, requests, concurrency, perSecond, firstUser };
  const child = fork(clientFile, [JSON.stringify(order)], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], signal: rig.signal });
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  assert.equal(code, 0, 'the client of the ingest ended with an error');
  const report = JSON.parse(output) as ClientReport;
  assert.deepEqual(report.answers, { 200: requests }, 'a request was not accepted');
  return report;
}

/** What was accepted has to arrive in the tables, once. */
async function everyUserStored(rig: Rig, users: number): Promise<void> {
  const deadline = Date.now() + settleMsMax;
  let found = { events: 0, applied: 0, states: 0 };
  while (found.events < users && Date.now() < deadline) {
    await sleep(200, undefined, { signal: rig.signal });
    const { rows } = await rig.pool.query<typeof found>(
      `SELECT count(*)::int AS events, count(*) FILTER (WHERE status = 'applied')::int AS applied,
         (SELECT count(*)::int FROM sync_state WHERE source_type = 'GOLDEN' AND kind = 'users') AS states
       FROM source_events WHERE source_type = 'BENCH'`,
    );
    found = rows[0]!;
  }
  assert.deepEqual(found, { events: users, applied: users, states: users }, 'what was accepted is not what was stored');
}

async function ready(rig: Rig, url: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    const answer = await fetch(`${url}/ready`, { signal: rig.signal }).catch(() => null);
    if (answer?.ok) return;
    await sleep(100, undefined, { signal: rig.signal });
  }
  throw new Error('the API was not ready within 30 s');
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function latencyNotes({ p50, p99, max, seconds }: ClientReport): Record<string, string> {
  return {
    'answers, ms': `p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)} max ${max.toFixed(0)}`,
    seconds: seconds.toFixed(1),
  };
}

function result(
  scenario: string,
  value: number,
  unit: string,
  wanted: Result['wanted'],
  rssMB: number,
  notes: Result['notes'],
): Result {
  return { scenario, value, unit, wanted, baseline: null, ratio: null, rssMB, notes };
}
