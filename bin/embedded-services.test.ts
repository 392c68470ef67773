import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { StackPart } from '../stack/embedded-part.ts';
import type { ManagedPart } from '../stack/managed-part.ts';
import { keepPartsRunning } from './embedded-services.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** Services that run, by name, and what their start does. */
function stackOf(names: readonly StackPart[], start: (name: StackPart) => Promise<void>) {
  const pids: Partial<Record<StackPart, number>> = Object.fromEntries(names.map((name) => [name, process.pid]));
  const said: string[] = [];
  const part = (name: StackPart) => ({ start: () => start(name) }) as ManagedPart;
  return { pids, said, watch: keepPartsRunning({ pids, part }, (line) => said.push(line)) };
}

test('a service that died is started again, and those beside it are left alone', async () => {
  const started: string[] = [];
  const stack = stackOf(['postgres', 'redis'], async (name) => {
    started.push(name);
    stack.pids[name] = process.pid;
  });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(started).toEqual([]);
  delete stack.pids.redis;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(started).toEqual(['redis']);
  expect(stack.said).toEqual(['redis ended by itself, starts again', 'redis runs again']);
  stack.watch.stop();
});

test('a service that does not start is tried again and again, once at a time', async () => {
  let running = 0;
  let starts = 0;
  const stack = stackOf(['redis'], async () => {
    expect(++running).toBe(1);
    starts++;
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    running--;
    if (starts < 3) throw new Error('the port is taken');
    stack.pids.redis = process.pid;
  });
  delete stack.pids.redis;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(starts).toBe(3);
  expect(stack.said.at(1)).toBe('redis does not start: the port is taken');
  expect(stack.said.at(-1)).toBe('redis runs again');
  stack.watch.stop();
});

test('what this start did not bring up is not looked after', async () => {
  const stack = stackOf([], () => Promise.reject(new Error('not ours')));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(stack.said).toEqual([]);
  stack.watch.stop();
});
