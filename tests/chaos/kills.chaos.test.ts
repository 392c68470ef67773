import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ChaosStack, type Installation, seededRandom, startChaosStack } from './harness.ts';
import { missingFromTheLog, startHttpLoad } from './http-load.ts';
import type { RoleSeat } from './role-pool.ts';

const kills = Number(process.env.CHAOS_KILLS ?? 10);
/** Beyond the session timeout and the patience of PostgreSQL: others get the partitions meanwhile. */
const zombieMs = Number(process.env.CHAOS_ZOMBIE_MS ?? 14_000);
/** Of two kinds with four each. */
const partitions = 8;
/** A process that was just started needs so long to come to any work. */
const catchMsMax = 15_000;
const takenMsMax = 40_000;

interface Owned {
  readonly id: string;
  readonly token: number;
}

type Stage = 'processor' | 'sync-manager';

interface Moment {
  readonly text: string;
  readonly when: 'before' | 'after';
}

/** What a process says to PostgreSQL where it matters most whether it was heard, and whether it hears that it was. */
const moments: Readonly<Record<Stage, readonly Moment[]>> = {
  processor: [
    { text: 'ledger-settle', when: 'before' },
    { text: 'ledger-settle', when: 'after' },
  ],
  'sync-manager': [
    { text: 'sync-write', when: 'before' },
    { text: 'sync-write', when: 'after' },
  ],
};

describe('processes that die under load', () => {
  let stack: ChaosStack;
  beforeAll(async () => {
    stack = await startChaosStack();
  }, 180_000);
  afterAll(() => stack.stop());

  it(
    `${kills} kills of random roles, in the middle of a commit or at any moment, lose nothing, do nothing twice and keep the order`,
    async () => {
      const random = seededRandom('kills');
      const installation = await stack.install({ roles: ['processor', 'processor', 'sync-manager', 'sync-manager', 'api'] });
      const load = await installation.load(random, { recordsPerSecond: 600 });
      const posts = startHttpLoad(installation.api, random);
      while (posts.accepted.length === 0) await sleep(50);
      await untilAtWork(installation, 'sync-manager');
      for (let kill = 0; kill < kills; kill++) {
        const seat = random.pick(installation.roles.seats);
        const known = seat.role !== 'processor' && seat.role !== 'sync-manager' ? undefined : moments[seat.role];
        if (known !== undefined && random.chance(0.7)) await killAt(seat, random.pick(known));
        else {
          await sleep(random.between(100, 2_500));
          await killed(seat);
        }
      }
      await sleep(1_000);
      await Promise.all([load.stop(), posts.stop()]);
      expect(await installation.faultsAtRest()).toEqual([]);
      const { kafka, prefix } = installation;
      expect(await missingFromTheLog(kafka, prefix, posts.accepted), 'answered with 200 and not on the topic').toEqual([]);
      expect(load.sent).toBeGreaterThan(kills * 100);
      const starts = installation.roles.seats.reduce((sum, seat) => sum + seat.starts, 0);
      expect(starts).toBe(installation.roles.seats.length + kills);
      await installation.stop();
    },
    240_000 + kills * 20_000,
  );

  async function killAt(seat: RoleSeat, { text, when }: Moment): Promise<void> {
    const stop = seat.postgresDoor.stopAt(text, when);
    await Promise.race([stop.caught, sleep(catchMsMax)]);
    // After it the server needs a moment to do what it was told.
    await sleep(50);
    await killed(seat);
    stop.release();
  }

  async function killed(seat: RoleSeat): Promise<void> {
    while (!seat.kill()) await sleep(20);
  }

  const zombies: readonly [role: Stage, where: string, moment: Moment][] = [
    ['processor', 'before it settles what it sent', { text: 'ledger-settle', when: 'before' }],
    ['sync-manager', 'before it writes what it decided', { text: 'sync-write', when: 'before' }],
    ['sync-manager', 'before it hears that it wrote', { text: 'sync-write', when: 'after' }],
  ];
  for (const [role, where, moment] of zombies) {
    it(`a ${role} that falls asleep ${where} and wakes among its successors changes nothing they did`, async () => {
      const random = seededRandom(`zombie ${role} ${where}`);
      const installation = await stack.install();
      const load = await installation.load(random);
      await untilAtWork(installation, role);
      await sleep(2_000);
      const zombie = random.pick(installation.seatsOf(role));
      const before = await partitionsOf(installation, role);
      const stop = zombie.postgresDoor.stopAt(moment.text, moment.when);
      await stop.caught;
      zombie.pause();
      await sleep(zombieMs);
      await untilTaken(installation, role, before);
      stop.release();
      zombie.resume();
      await sleep(3_000);
      await load.stop();
      expect(await installation.faultsAtRest()).toEqual([]);
      expect(zombie.starts).toBe(1);
      await installation.stop();
    }, 240_000);
  }
});

async function untilAtWork(installation: Installation, role: Stage): Promise<void> {
  while ((await partitionsOf(installation, role)).length < partitions) await sleep(100);
}

/** A rebalance gives every partition a new owner's mark, those of the one that stayed awake too. */
async function untilTaken(installation: Installation, role: Stage, before: readonly Owned[]): Promise<void> {
  const untilMs = Date.now() + takenMsMax;
  for (;;) {
    const now = await partitionsOf(installation, role);
    const kept = before.filter(({ id, token }) => !now.some((row) => row.id === id && row.token > token));
    if (kept.length === 0) return;
    if (Date.now() > untilMs) throw new Error(`nobody took ${kept.map(({ id }) => id).join(', ')} from the sleeping process`);
    await sleep(200);
  }
}

async function partitionsOf(installation: Installation, role: Stage): Promise<Owned[]> {
  const table = role === 'processor' ? 'processor_progress' : 'sync_progress';
  return installation.query(`SELECT topic || '/' || partition AS id, token::int FROM ${table}`);
}
