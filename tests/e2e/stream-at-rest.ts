import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { endsOf } from '../chaos/topics.ts';
import type { StartedSyncline } from './started-syncline.ts';

const quietMs = 4_000;
const patienceMs = 120_000;

/** How many messages the raw topics hold. */
export async function messagesOn({ runtime }: StartedSyncline, sources: readonly string[], kind: string): Promise<number> {
  const topics = sources.map((source) => `source.${source}.${kind}`);
  return [...(await endsOf(runtime.kafka, topics)).values()].reduce((sum, end) => sum + end, 0);
}

/** Waits until no system has told anything for some seconds, and returns how many messages there are then. */
export async function quiet(syncline: StartedSyncline, sources: readonly string[], kind: string): Promise<number> {
  const untilMs = Date.now() + patienceMs;
  for (let seen = await messagesOn(syncline, sources, kind); ; ) {
    await sleep(quietMs);
    const now = await messagesOn(syncline, sources, kind);
    if (now === seen) return now;
    if (Date.now() > untilMs) throw new Error(`still ${now - seen} messages in ${quietMs} ms after ${patienceMs} ms`);
    seen = now;
  }
}

interface Account {
  readonly atRest: boolean;
  readonly partitions: readonly PartitionSum[];
}

interface PartitionSum {
  readonly balanced: boolean;
  readonly waitingForProcessor: number;
  readonly waitingForSyncManager: number;
  readonly faults: readonly string[];
}

/** Every message has its outcome, and nothing is left over or in dispute. */
export async function expectAccounted(syncline: StartedSyncline): Promise<void> {
  const patience = { timeout: 60_000, interval: 250 };
  const account = async () => {
    const { atRest, partitions } = (await syncline.get('/api/accounting')).body as Account;
    const open = partitions.filter(
      (sum) => !sum.balanced || sum.waitingForProcessor + sum.waitingForSyncManager > 0 || sum.faults.length > 0,
    );
    return { atRest, open };
  };
  await expect.poll(account, patience).toEqual({ atRest: true, open: [] });
  expect(await syncline.get('/api/differences')).toMatchObject({ body: { items: [] } });
  expect(await syncline.get('/api/dead-letters')).toMatchObject({ body: { items: [] } });
  expect(await syncline.get('/api/targets/letters?status=parked')).toMatchObject({ body: { items: [] } });
}

interface Streams {
  readonly sources: readonly { readonly streams: readonly { readonly state: string; readonly phase: string }[] }[];
}

/** Waits until every table was read once and its changes are followed. */
export async function followed(syncline: StartedSyncline): Promise<void> {
  const phases = async () => {
    const { sources } = (await syncline.get('/api/sources')).body as Streams;
    return new Set(sources.flatMap(({ streams }) => streams.map(({ state, phase }) => `${state} ${phase}`)));
  };
  await expect.poll(phases, { timeout: patienceMs, interval: 250 }).toEqual(new Set(['running waiting']));
}
