import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChaosStack, type Installation, seededRandom, startChaosStack } from './harness.ts';

const outageMs = Number(process.env.CHAOS_OUTAGE_MS ?? 30_000);
const stretchMs = 3_000;
const answerMsMax = 60_000;

const roles = ['processor', 'processor', 'sync-manager', 'sync-manager', 'api'] as const;

async function underLoad(installation: Installation, name: string, happens: () => Promise<void>): Promise<void> {
  const load = await installation.load(seededRandom(name), { recordsPerSecond: 200 });
  await sleep(stretchMs);
  await happens();
  await sleep(stretchMs);
  await load.stop();
  expect(await installation.faultsAtRest()).toEqual([]);
  await untilReady(installation);
  for (const seat of installation.roles.seats) expect(seat.starts, `starts of ${seat.name}`).toBe(1);
  await installation.stop();
}

describe('services that are killed and started again under load', () => {
  let stack: ChaosStack;
  beforeAll(async () => {
    stack = await startChaosStack();
  }, 180_000);
  afterAll(() => stack.stop());

  for (const part of ['postgres', 'kafka'] as const) {
    it(`${part} is taken up where it was left by every role, none of which restarts`, async () => {
      const installation = await stack.install({ roles });
      await untilReady(installation);
      await underLoad(installation, `${part} restarts`, async () => {
        for (let time = 0; time < 2; time++) {
          await stack.services.part(part).kill();
          await sleep(1_000);
          await stack.services.part(part).start();
          await sleep(stretchMs);
        }
      });
    }, 240_000);
  }
});

// Mostly waiting, so each has services of its own and they wait together.
describe.concurrent('services that do not answer for a while under load', () => {
  let starting: Promise<unknown> = Promise.resolve();
  /** One after another: three starts at once would only wait for each other. */
  function startInTurn(): Promise<[ChaosStack, Installation]> {
    const start = starting.then(async (): Promise<[ChaosStack, Installation]> => {
      const stack = await startChaosStack();
      const installation = await stack.install({ roles });
      await untilReady(installation);
      return [stack, installation];
    });
    starting = start.catch(() => undefined);
    return start;
  }

  for (const part of ['postgres', 'kafka', 'redis'] as const) {
    it(
      `${part} unreachable for ${outageMs / 1_000} s: /ready says no and names it, then everything goes on by itself`,
      async () => {
        const [stack, installation] = await startInTurn();
        try {
          await underLoad(installation, `${part} unreachable`, async () => {
            const untilMs = Date.now() + outageMs;
            const release = await stack.hold(part);
            try {
              expect((await readyAnswer(installation, isNotReady)).text).toContain(part);
              await sleep(untilMs - Date.now());
              expect((await readyAnswer(installation, isNotReady)).text).toContain(part);
            } finally {
              await release();
            }
          });
        } finally {
          await stack.stop();
        }
      },
      400_000 + outageMs,
    );
  }
});

interface ReadyAnswer {
  readonly status: number;
  readonly text: string;
}

function isNotReady(answer: ReadyAnswer): boolean {
  return answer.status === 503;
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
