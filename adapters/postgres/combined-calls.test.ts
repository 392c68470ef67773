import { expect, it } from 'vitest';
import { combined } from './combined-calls.ts';

function doubling(fails: (items: readonly number[]) => boolean = () => false) {
  const calls: (readonly number[])[] = [];
  const double = combined<number, number>({
    together: async (items) => {
      calls.push(items);
      if (fails(items)) throw new Error(`no to ${items.join(', ')}`);
      return items.map((item) => item * 2);
    },
    weightOf: (item) => item,
    weightMax: 100,
  });
  return { calls, double };
}

it('calls of one moment become one, and each has its own answer', async () => {
  const { calls, double } = doubling();
  expect(await Promise.all([double(1), double(2), double(3)])).toEqual([2, 4, 6]);
  expect(await double(4)).toBe(8);
  expect(calls).toEqual([[1, 2, 3], [4]]);
});

it('no more goes together than is worth it', async () => {
  const { calls, double } = doubling();
  await Promise.all([double(60), double(30), double(20), double(200), double(5)]);
  expect(calls).toEqual([[200], [60, 30], [20, 5]]);
});

it('a call that fails is the only one that fails', async () => {
  const { calls, double } = doubling((items) => items.includes(2));
  const answers = await Promise.allSettled([double(1), double(2), double(3)]);
  expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value : String(answer.reason)))).toEqual([
    2,
    'Error: no to 2',
    6,
  ]);
  expect(calls).toEqual([[1, 2, 3], [1], [2], [3]]);
});
