import { expect, it } from 'vitest';
import type { OutgoingRecord } from '../../core/ports/event-log.ts';
import { portionsOf } from './portions.ts';

const record = (partition: number, bytes: number): OutgoingRecord => ({
  topic: 't',
  partition,
  key: 'k',
  value: 'x'.repeat(bytes),
});

it('leaves an ordinary batch whole', () => {
  const records = Array.from({ length: 900 }, (_, n) => record(n % 4, 200));
  expect([...portionsOf(records)]).toEqual([records]);
});

it('keeps what goes to one partition at once below what a topic takes by default, and every record in order', () => {
  const records = Array.from({ length: 100 }, (_, n) => record(n % 3, 50_000 + n));
  const portions = [...portionsOf(records)];
  expect(portions.flat()).toEqual(records);
  for (const portion of portions) {
    for (const partition of [0, 1, 2]) {
      const bytes = portion.filter((each) => each.partition === partition).reduce((sum, { value }) => sum + value!.length, 0);
      expect(bytes).toBeLessThan(1_000_000);
    }
  }
  expect(portions.length).toBeLessThan(4);
});

it('sends a record that is above the limit by itself', () => {
  const records = [record(0, 10), record(0, 2_000_000), record(0, 10)];
  expect([...portionsOf(records)].map((portion) => portion.length)).toEqual([1, 1, 1]);
});
