import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChaosStack, type Installation, seededRandom, startChaosStack } from './harness.ts';

const outageMs = Number(process.env.CHAOS_OUTAGE_MS ?? 30_000);
const stretchMs = 3_000;
const answerMsMax = 20_000;

type Part = 'kafka' | 'postgres' | 'redis';

describe('services that go away under load', () => {
  let stack: ChaosStack;
  beforeAll(async () => {
    stack = await startChaosStack();
  }, 180_000);
  afterAll(() => stack.stop());

  async function underLoad(name: string, happens: (installation: Installation) => Promise<void>): Promise<void> {
    const random = seededRandom(name);
    const installation = await stack.install({
      roles: ['processor', 'processor', 'sync-manager', 'sync-manager', 'api'],
    });
    await untilReady(installation);
    const load = await installation.load(random, { recordsPerSecond: 300 });
    await sleep(stretchMs);
    await happens(installation);
    await sleep(stretchMs);
    await load.stop();
    expect(await installation.faultsAtRest()).toEqual([]);
    await untilReady(installation);
    for (const seat of installation.roles.seats) expect(seat.starts, `starts of ${seat.name}`).toBe(1);
    await installation.stop();
  }

  for (const part of ['postgres', 'kafka'] as const) {
    it(`${part}, killed and started again, is taken up where it was left by every role, none of which restarts`, async () => {
      await underLoad(`${part} restarts`, async () => {
        for (let time = 0; time < 2; time++) {
          await stack.services.part(part).kill();
          await sleep(1_000);
          await stack.services.part(part).start();
          await sleep(stretchMs);
        }
      });
    }, 240_000);
  }

  const silences: Readonly<Record<Part, () => { begin(): Promise<void>; end(): Promise<void> }>> = {
    // Its broker tells clients its own address, so it is frozen; the others are cut off at the door.
    kafka: () => ({ begin: () => stack.services.part('kafka').pause(), end: () => stack.services.part('kafka').resume() }),
    postgres: () => ({
      begin: async () => stack.postgresDoor.silence(),
      end: async () => stack.postgresDoor.resume(),
    }),
    redis: () => ({ begin: async () => stack.redisDoor.silence(), end: async () => stack.redisDoor.resume() }),
  };
  for (const part of ['postgres', 'kafka', 'redis'] as const) {
    it(
      `${part} unreachable for ${outageMs / 1_000} s: /ready says no and names it, then everything goes on by itself`,
      async () => {
        const { begin, end } = silences[part]();
        await underLoad(`${part} unreachable`, async (installation) => {
          try {
            const untilMs = Date.now() + outageMs;
            await begin();
            const answer = await readyAnswer(installation, (found) => found.status === 503);
            expect(answer.text).toContain(part);
            await sleep(untilMs - Date.now());
            expect((await readyAnswer(installation, (found) => found.status === 503)).text).toContain(part);
          } finally {
            await end();
          }
        });
      },
      240_000 + outageMs,
    );
  }
});

interface ReadyAnswer {
  readonly status: number;
  readonly text: string;
}

async function readyAnswer(installation: Installation, wanted: (answer: ReadyAnswer) => boolean): Promise<ReadyAnswer> {
  const untilMs = Date.now() + answerMsMax;
  let last: ReadyAnswer | undefined;
  while (Date.now() < untilMs) {
    last = await fetch(`${installation.api}/ready`, { signal: AbortSignal.timeout(5_000) }).then(
      async (response) => ({ status: response.status, text: await response.text() }),
      (error: unknown) => ({ status: 0, text: String(error) }),
    );
    if (wanted(last)) return last;
    await sleep(200);
  }
  throw new Error(`/ready answers ${last?.status} ${last?.text}\n${installation.roles.lastLines()}`);
}

async function untilReady(installation: Installation): Promise<void> {
  await readyAnswer(installation, (answer) => answer.status === 200);
}
