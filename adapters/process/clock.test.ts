import { expect, test } from 'vitest';
import { systemClock } from './clock.ts';

test('a sleep ends with the reason of its signal', async () => {
  const reason = new Error('enough');
  const controller = new AbortController();
  const sleeping = systemClock.sleep(60_000, controller.signal);
  controller.abort(reason);
  await expect(sleeping).rejects.toBe(reason);
  await expect(systemClock.sleep(60_000, controller.signal)).rejects.toBe(reason);
});

test('a sleep without a signal ends by itself', async () => {
  await expect(systemClock.sleep(1)).resolves.toBeUndefined();
});
