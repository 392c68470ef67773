import { afterEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../core/ports/clock.ts';
import type { IngestStore } from '../../core/ports/ingest-store.ts';
import { isAfter, isPosition, type Position } from '../../core/position.ts';
import { createPositionDraw, type PositionDraw } from './position-draw.ts';
import { SharedClock } from './shared-clock.ts';

/** Time as the test lets it pass, and one database server in it. */
class Time {
  nowMs = 1_000_000;
  serverAheadMs = 0;
  out = false;
  readonly #row = { shiftUs: 0, readUs: 0, throughUs: 0 };
  #timers: { atMs: number; wake: () => void }[] = [];

  readonly clock: Clock = {
    nowMs: () => this.nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        this.#timers.push({ atMs: this.nowMs + ms, wake: resolve });
        signal?.addEventListener('abort', () => reject(signal.reason));
      }),
  };

  /** The server as a process sees it: how long a question and its answer are under way. */
  storeBehind = ([there, back]: readonly [number, number]): Pick<IngestStore, 'reserve'> => ({
    reserve: async ({ atLeastUs, drawnUs, aheadUs }) => {
      await this.clock.sleep(there);
      if (this.out) throw new Error('out');
      const row = this.#row;
      const reservedThroughUs = row.throughUs;
      const serverUs = Math.floor((this.nowMs + this.serverAheadMs) * 1_000);
      const isBack = atLeastUs === null && serverUs + row.shiftUs < row.readUs;
      const nowUs = isBack ? row.throughUs : Math.max(serverUs + row.shiftUs, row.readUs, atLeastUs ?? 0);
      row.shiftUs = nowUs - serverUs;
      row.readUs = nowUs;
      row.throughUs = Math.max(row.throughUs, nowUs + aheadUs, drawnUs);
      await this.clock.sleep(back);
      return { nowUs, reservedThroughUs };
    },
  });

  async pass(ms: number): Promise<void> {
    for (const endMs = this.nowMs + ms; ; ) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#timers.sort((left, right) => left.atMs - right.atMs);
      const next = this.#timers[0];
      this.nowMs = Math.max(this.nowMs, Math.min(endMs, next?.atMs ?? endMs));
      if (next === undefined || next.atMs > endMs) return;
      this.#timers.shift()!.wake();
    }
  }

  /** As long as it takes. */
  async until(promise: Promise<unknown> | undefined): Promise<void> {
    let settled = promise === undefined;
    const settle = () => {
      settled = true;
    };
    promise?.then(settle, settle);
    while (!settled) await this.pass(0.05);
    await promise;
  }
}

const opened: SharedClock[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((shared) => shared.close()));
});

/** A process: its steady clock began when the machine did, and runs a little fast or slow. */
async function start(
  time: Time,
  instance: string,
  { zeroMs = 0, rate = 1, delaysMs = [0.5, 0.5] as readonly [number, number] } = {},
): Promise<PositionDraw> {
  const shared = new SharedClock(time.storeBehind(delaysMs), time.clock, () => (time.nowMs - zeroMs) * rate);
  opened.push(shared);
  const draw = createPositionDraw(shared, instance);
  await time.until(draw.ready());
  return draw;
}

function expectRising(positions: readonly Position[]): void {
  expect(positions.every(isPosition)).toBe(true);
  for (const [index, position] of positions.slice(1).entries()) expect(isAfter(position, positions[index]!)).toBe(true);
}

test('positions rise while time stands', async () => {
  const draw = await start(new Time(), 'a');
  expectRising(Array.from({ length: 2_000 }, () => draw.next()));
});

test('two processes never draw the same position', async () => {
  const time = new Time();
  const [left, right] = [await start(time, 'a'), await start(time, 'b')];
  const drawn = [left, right].flatMap((draw) => Array.from({ length: 1_000 }, () => draw.next()));
  expect(new Set(drawn).size).toBe(drawn.length);
});

describe('a restart', () => {
  test.each([100, 2_900, 3_600_000])('does not go back where the server’s clock was set back by %i ms', async (backMs) => {
    const time = new Time();
    const before = await start(time, 'a');
    await time.pass(10_700);
    const drawn = [before.next()];
    await opened.pop()!.close();
    time.serverAheadMs = -backMs;
    await time.pass(50);
    const after = await start(time, 'a');
    expectRising([...drawn, after.next()]);
  });

  test('waits for nothing where nobody drew before', async () => {
    const time = new Time();
    const beganMs = time.nowMs;
    await start(time, 'a');
    expect(time.nowMs - beganMs).toBeLessThan(2);
  });
});

describe('who has an answer posts again, to any process', () => {
  /** Posts to one process after the other, each when the one before has answered. */
  async function postInTurns(time: Time, draws: readonly PositionDraw[], posts: number): Promise<Position[]> {
    const drawn: Position[] = [];
    for (let post = 0; post < posts; post++) {
      const draw = draws[post % draws.length]!;
      drawn.push(draw.next());
      await time.until(draw.passed(drawn.at(-1)!));
      await time.pass(post % 10 === 0 ? 90 : (post * 0.37) % 1.5);
    }
    return drawn;
  }

  test('and gets a higher position, however far the machines’ clocks are apart', async () => {
    const time = new Time();
    const draws = [
      await start(time, 'a', { zeroMs: 900_000, rate: 1.0001, delaysMs: [0.2, 9] }),
      await start(time, 'b', { zeroMs: -5_000_000, rate: 0.9999, delaysMs: [9, 0.2] }),
      await start(time, 'c'),
    ];
    expectRising(await postInTurns(time, draws, 300));
  });

  test('and gets a higher position after the server’s clock was set back under running processes', async () => {
    const time = new Time();
    const draws = [await start(time, 'a')];
    await time.pass(400);
    draws.push(await start(time, 'b', { zeroMs: 77 }));
    const before = await postInTurns(time, draws, 20);
    time.serverAheadMs = -500_000;
    expectRising([...before, ...(await postInTurns(time, draws, 100))]);
  });

  test('and is answered at once where Kafka took longer than PostgreSQL', async () => {
    const time = new Time();
    const draw = await start(time, 'a');
    const position = draw.next();
    await time.pass(3);
    expect(draw.passed(position)).toBeUndefined();
  });
});

describe('while PostgreSQL is out', () => {
  test('a process that knew the clock goes on', async () => {
    const time = new Time();
    const draw = await start(time, 'a');
    const before = draw.next();
    time.out = true;
    await time.pass(60_000);
    expect(draw.ready()).toBeUndefined();
    const after = draw.next();
    expectRising([before, after]);
    await time.until(draw.passed(after));
  });

  test('a process that never knew it draws nothing, until it is back', async () => {
    const time = new Time();
    time.out = true;
    await expect(start(time, 'a')).rejects.toThrow('out');
    time.out = false;
    await time.pass(2_500);
    expectRising([(await start(time, 'b')).next()]);
  });
});
