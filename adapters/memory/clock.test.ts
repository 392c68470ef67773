import { expect, it } from 'vitest';
import { MemoryClock } from './clock.ts';

it('time moves only when it is moved, and wakes whoever slept so long', async () => {
  const clock = new MemoryClock(1_000);
  const woken: string[] = [];
  const sleeps = [clock.sleep(10).then(() => woken.push('short')), clock.sleep(30).then(() => woken.push('long'))];
  clock.advance(10);
  await sleeps[0];
  expect([clock.nowMs(), woken]).toEqual([1_010, ['short']]);
  clock.advance(20);
  await sleeps[1];
  expect(woken).toEqual(['short', 'long']);
});

it('a sleep that is aborted ends with the reason', async () => {
  const clock = new MemoryClock();
  const abort = new AbortController();
  const sleep = clock.sleep(10, abort.signal);
  abort.abort(new Error('stopped'));
  await expect(sleep).rejects.toThrow('stopped');
  await expect(clock.sleep(10, abort.signal)).rejects.toThrow('stopped');
});
