import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Rounds } from './rounds.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('the first small batch begins at once, those that follow soon begin together', async () => {
  const rounds = new Rounds();
  expect(rounds.next(1)).toBeUndefined();
  const begun: string[] = [];
  const wait = async (name: string) => {
    await rounds.next(1);
    begun.push(name);
  };
  const both = [wait('b'), wait('c')];
  await vi.advanceTimersByTimeAsync(2);
  expect(begun).toEqual([]);
  both.push(wait('d'));
  await vi.advanceTimersToNextTimerAsync();
  expect(begun).toEqual(['b', 'c', 'd']);
});

it('after a pause nobody waits', () => {
  const rounds = new Rounds();
  rounds.next(1);
  vi.advanceTimersByTime(1_000);
  expect(rounds.next(1)).toBeUndefined();
});

it('a long batch waits for nobody', () => {
  const rounds = new Rounds();
  rounds.next(1);
  expect(rounds.next(1)).toBeInstanceOf(Promise);
  expect(rounds.next(500)).toBeUndefined();
});
