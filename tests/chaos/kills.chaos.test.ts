import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChaosStack, type Installation, seededRandom, startChaosStack } from './harness.ts';
import { missingFromTheLog, startHttpLoad } from './http-load.ts';
import type { RoleName, RoleSeat } from './role-pool.ts';

const kills = Number(process.env.CHAOS_KILLS ?? 10);
/** Of two kinds with four each. */
const partitions = 8;
const catchMs = 400;
/** Beyond the session timeout: the group gives the partitions to others meanwhile. */
const zombieMs = Number(process.env.CHAOS_ZOMBIE_MS ?? 13_000);

describe('processes that die under load', () => {
  let stack: ChaosStack;
  beforeAll(async () => {
    stack = await startChaosStack();
  }, 180_000);
  afterAll(() => stack.stop());

  it(
    `${kills} kills of random roles at random moments lose nothing, do nothing twice and keep the order`,
    async () => {
      const random = seededRandom('kills');
      const installation = await stack.install({ roles: ['processor', 'processor', 'sync-manager', 'sync-manager', 'api'] });
      const load = await installation.load(random, { recordsPerSecond: 800 });
      const posts = startHttpLoad(installation.api, random);
      for (let kill = 0; kill < kills; kill++) {
        await sleep(random.between(100, 2_500));
        const seat = random.pick(installation.roles.seats);
        if (seat.role === 'api' || random.chance(0.5)) await killed(seat);
        else await killAtWork(seat, random.chance(0.3));
      }
      await sleep(1_000);
      await Promise.all([load.stop(), posts.stop()]);
      expect(await installation.faultsAtRest()).toEqual([]);
      const { kafka, prefix } = installation;
      expect(await missingFromTheLog(kafka, prefix, posts.accepted), 'answered with 200 and not on the topic').toEqual([]);
      expect(posts.accepted.length).toBeGreaterThan(0);
      expect(load.sent).toBeGreaterThan(kills * 100);
      const starts = installation.roles.seats.reduce((sum, seat) => sum + seat.starts, 0);
      expect(starts).toBe(installation.roles.seats.length + kills);
      await installation.stop();
    },
    240_000 + kills * 5_000,
  );

  /**
   * Leads a process into the middle of its work: first it stands with records in hand before the part it asks first,
   * from there it comes as far as its send, for which it gets no acknowledgement before `act`.
   */
  async function duringSend(role: RoleName, act: () => void | Promise<void>): Promise<void> {
    const answer = await stack.hold(role === 'processor' ? 'redis' : 'postgres');
    await sleep(catchMs);
    const acknowledge = await stack.hold('kafka');
    await answer();
    await sleep(catchMs);
    await act();
    await acknowledge();
  }

  /** Somewhere among the questions it asks PostgreSQL. */
  async function duringQuery(act: () => void | Promise<void>): Promise<void> {
    const answer = await stack.hold('postgres');
    await sleep(catchMs);
    await act();
    await answer();
  }

  async function killed(seat: RoleSeat): Promise<void> {
    while (!seat.kill()) await sleep(20);
  }

  function killAtWork(seat: RoleSeat, inQuery: boolean): Promise<void> {
    return inQuery ? duringQuery(() => killed(seat)) : duringSend(seat.role, () => killed(seat));
  }

  for (const role of ['processor', 'sync-manager'] as const) {
    it(`a ${role} that sleeps beyond its session and wakes among its successors changes nothing they did`, async () => {
      const random = seededRandom(`zombie ${role}`);
      const installation = await stack.install();
      const load = await installation.load(random);
      while ((await partitionsOf(installation, role)).length < partitions) await sleep(100);
      await sleep(2_000);
      const zombie = random.pick(installation.seatsOf(role));
      const before = await partitionsOf(installation, role);
      // A sync manager's next step after a send would be stopped before it could do harm.
      if (role === 'processor') await duringSend(role, () => zombie.pause());
      else await duringQuery(() => zombie.pause());
      await sleep(zombieMs);
      const after = await partitionsOf(installation, role);
      zombie.resume();
      await sleep(3_000);
      await load.stop();
      expect(await installation.faultsAtRest()).toEqual([]);
      expect(zombie.starts).toBe(1);
      const taken = before.filter(({ id, token }) => after.some((row) => row.id === id && row.token > token));
      expect(taken.length, 'partitions that changed hands while it slept').toBeGreaterThan(0);
      await installation.stop();
    }, 240_000);
  }
});

async function partitionsOf(
  installation: Installation,
  role: 'processor' | 'sync-manager',
): Promise<{ id: string; token: number }[]> {
  const table = role === 'processor' ? 'processor_progress' : 'sync_progress';
  return installation.query(`SELECT topic || '/' || partition AS id, token::int FROM ${table}`);
}
