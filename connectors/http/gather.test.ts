import { expect, test } from 'vitest';
import { systemClock } from '../../adapters/process/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { Gatherer, type GatherOptions } from './gather.ts';

function open(options: Partial<GatherOptions<number, number>> = {}, clock: Clock = systemClock) {
  return new Gatherer<number, number>({
    run: async (items) => items.map((item) => item * 2),
    weightOf: () => 1,
    runWeightMax: 10,
    queuedWeightMax: 100,
    gatherMs: 0,
    waitMsMax: 1_000,
    timedOut: (begun) => new Error(begun ? 'begun' : 'never begun'),
    clock,
    ...options,
  });
}

test('everyone gets the result of their own item', async () => {
  const gatherer = open();
  expect(await Promise.all([1, 2, 3].map((item) => gatherer.submit(item)))).toEqual([2, 4, 6]);
});

test('runs never overlap and never weigh more than allowed', async () => {
  let running = 0;
  const sizes: number[] = [];
  const gatherer = open({
    async run(items) {
      running++;
      expect(running).toBe(1);
      sizes.push(items.length);
      await systemClock.sleep(1);
      running--;
      return [...items];
    },
  });
  await Promise.all(Array.from({ length: 45 }, (_none, item) => gatherer.submit(item)));
  expect(Math.max(...sizes)).toBeLessThanOrEqual(10);
  expect(sizes.reduce((sum, size) => sum + size)).toBe(45);
});

test('an item heavier than a run goes alone', async () => {
  const gatherer = open({ weightOf: (item) => item });
  expect(await Promise.all([gatherer.submit(50), gatherer.submit(1)])).toEqual([100, 2]);
});

test('a run that fails fails for those in it and for nobody else', async () => {
  let runs = 0;
  const gatherer = open({
    async run(items) {
      runs++;
      if (runs === 1) throw new Error('out');
      return [...items];
    },
    runWeightMax: 1,
  });
  const results = await Promise.allSettled([gatherer.submit(1), gatherer.submit(2)]);
  expect(results.map((result) => result.status)).toEqual(['rejected', 'fulfilled']);
});

test('closing lets whoever waits have an answer and turns newcomers away', async () => {
  const gatherer = open({ gatherMs: 10_000 });
  const waiting = gatherer.submit(1);
  await gatherer.close();
  expect(await waiting).toBe(2);
  await expect(gatherer.submit(2)).rejects.toThrow('shutting down');
});

test('closing does not wait for a run that never ends longer than its callers would', async () => {
  const gatherer = open({ run: () => new Promise(() => undefined), waitMsMax: 30 });
  const waiting = expect(gatherer.submit(1)).rejects.toThrow('begun');
  await systemClock.sleep(10);
  await gatherer.close();
  await waiting;
});
