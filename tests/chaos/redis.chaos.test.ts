import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChaosStack, type Installation, seededRandom, startChaosStack } from './harness.ts';
import { type RedisReplica, startReplica } from './redis-replica.ts';

/** Long enough for keys to come back to values they had: the filter is only in danger where it would stop something. */
const stretchMs = Number(process.env.CHAOS_STRETCH_MS ?? 3_000);
/** By then many entries stand that would stop something. */
const stoppedFirst = 50;
/** Clients try again every second at the latest. */
const reconnectedMs = 1_500;
/** A machine that does other things besides takes long to come to rest. */
const patienceMs = 600_000;
const keepsUpMs = 20_000;
const roundsMax = 20;
/** Few keys, so that each is seen again and again. */
const keys = 12;

/** Gives products a title, and waits until that is stored; done twice the filter knows it for certain. */
type Settle = (title: string) => Promise<void>;

interface Scene {
  readonly installation: Installation;
  quietly(act: (settle: Settle) => Promise<void>): Promise<void>;
}

describe('Redis under load', () => {
  let stack: ChaosStack;
  let redis: Redis;
  beforeAll(async () => {
    stack = await startChaosStack();
    redis = new Redis(stack.services.addresses.redis!, { retryStrategy: () => 100 });
    redis.on('error', () => undefined);
  }, patienceMs);
  afterAll(async () => {
    redis.disconnect();
    await stack.stop();
  });

  /**
   * Load before and after something happens to Redis, then the checker; the filter is at work before it and after it.
   * What happens quietly happens while nothing is asked of Redis: nobody sees it go.
   */
  async function survives(name: string, happens: (scene: Scene) => Promise<void>): Promise<void> {
    const random = seededRandom(name);
    const installation = await stack.install();
    const load = await installation.load(random, { keys });
    const quietly = async (act: (settle: Settle) => Promise<void>) => {
      await load.pause();
      await installation.rest();
      await act(async (title) => {
        await load.retitle(title);
        await installation.rest();
      });
      load.resume();
    };
    /** Where the stages lag behind the load little is stopped; what is said again and again at rest is stopped on any machine. */
    const untilStopped = async (records: number) => {
      const lagsFromMs = Date.now() + keepsUpMs;
      while ((await stoppedByFilter(installation)) < records && Date.now() < lagsFromMs) await sleep(100);
      for (let round = 0; round < roundsMax && (await stoppedByFilter(installation)) < records; round++) {
        await quietly((settle) => settle('said again'));
      }
      expect(await stoppedByFilter(installation), 'records the filter stopped').toBeGreaterThanOrEqual(records);
    };
    await untilStopped(stoppedFirst);
    await happens({ installation, quietly });
    await sleep(stretchMs);
    await untilStopped((await stoppedByFilter(installation)) + 1);
    await load.stop();
    expect(await installation.faultsAtRest()).toEqual([]);
    await installation.stop();
  }

  it(
    'flushed again and again, it costs speed and nothing else',
    async () => {
      await survives('flush', async () => {
        for (let flush = 0; flush < 10; flush++) {
          await redis.flushall();
          await sleep(300);
        }
      });
    },
    patienceMs,
  );

  it(
    'killed and started empty, it costs speed and nothing else',
    async () => {
      await survives('restart', async () => {
        await stack.services.part('redis').kill();
        await sleep(500);
        await stack.services.part('redis').start();
      });
    },
    patienceMs,
  );

  it(
    'restored from an older snapshot, in the middle of work or unseen, it stops nothing by what it remembers',
    async () => {
      await survives('older snapshot', async ({ installation, quietly }) => {
        const restore = async () => {
          await stack.services.part('redis').kill();
          await stack.services.part('redis').start();
          expect(await keysOf(redis, installation.prefix), 'entries that came back').toBeGreaterThan(0);
        };
        await quietly(async (settle) => {
          await settle('known');
          await settle('known');
          await redis.save();
          await settle('changed since');
          await restore();
          await sleep(reconnectedMs);
          await settle('known');
        });
        await sleep(stretchMs);
        await redis.save();
        await sleep(stretchMs);
        await restore();
      });
    },
    patienceMs,
  );

  it(
    'failed over to a replica that lags, and back to the old primary as it was, it stops nothing by what either remembers',
    async () => {
      const primaryPort = Number(new URL(stack.services.addresses.redis!).port);
      let replica: RedisReplica | undefined;
      try {
        await survives('failover', async ({ quietly }) => {
          const lagging = await startReplica(primaryPort, stack.services.dataDir);
          replica = lagging;
          const leadTo = async (port: number) => {
            stack.redisDoor.leadTo(port);
            await sleep(reconnectedMs);
          };
          await quietly(async (settle) => {
            await settle('known');
            await settle('known');
            // What is written from here on never reaches the replica.
            await lagging.detach();
            await settle('known to the primary');
            await settle('known to the primary');
            await lagging.promote();
            await leadTo(lagging.port);
            await settle('known');
            await leadTo(primaryPort);
            await settle('known to the primary');
          });
          await sleep(stretchMs);
          stack.redisDoor.leadTo(lagging.port);
        });
      } finally {
        stack.redisDoor.leadTo(primaryPort);
        await replica?.stop();
      }
    },
    patienceMs,
  );
});

async function stoppedByFilter(installation: Installation): Promise<number> {
  const [row] = await installation.query<{ records: number }>(
    `SELECT coalesce(sum(records), 0)::int AS records FROM raw_outcomes WHERE outcome = 'unchanged' AND counted_by = 'processor'`,
  );
  return row!.records;
}

async function keysOf(redis: Redis, prefix: string): Promise<number> {
  return (await redis.keys(`*${prefix}*`)).length;
}
