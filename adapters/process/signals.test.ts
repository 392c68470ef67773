import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import type { Clock } from '../../core/ports/clock.ts';
import { watchSignals } from './signals.ts';

class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

function watched() {
  const target = new FakeProcess();
  const time = { nowMs: 0 };
  const clock: Clock = { nowMs: () => time.nowMs, sleep: () => Promise.resolve() };
  return { target, time, watch: watchSignals(clock, target) };
}

test('the first signal asks to stop and ends nothing', () => {
  const { target, watch } = watched();
  target.emit('SIGTERM', 'SIGTERM');
  expect(watch.signal.reason).toEqual(new Error('stopped by SIGTERM'));
  expect(target.exits).toEqual([]);
});

test('one Ctrl-C that arrives twice is one, a second Ctrl-C ends the process', () => {
  const { target, time } = watched();
  target.emit('SIGINT', 'SIGINT');
  target.emit('SIGINT', 'SIGINT');
  expect(target.exits).toEqual([]);
  time.nowMs = 1_000;
  target.emit('SIGINT', 'SIGINT');
  expect(target.exits).toEqual([130]);
});

test('a closed watch leaves signals alone', () => {
  const { target, watch } = watched();
  watch.close();
  expect(target.eventNames()).toEqual([]);
});
