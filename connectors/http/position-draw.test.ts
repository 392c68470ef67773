import { expect, test } from 'vitest';
import { isAfter, isPosition, type Position } from '../../core/position.ts';
import { createPositionDraw } from './position-draw.ts';

function clockOf(...times: number[]) {
  let at = 0;
  return { nowMs: () => times[Math.min(at++, times.length - 1)]!, sleep: async () => undefined };
}

test('positions rise while the clock stands, steps back and goes on', () => {
  const draw = createPositionDraw(clockOf(1_000, 1_000, 999, 500, 1_001, 1_001.5), 'a');
  const drawn = Array.from({ length: 8 }, () => draw.next());
  expect(drawn.every(isPosition)).toBe(true);
  drawn.reduce((before: Position, after) => {
    expect(isAfter(after, before)).toBe(true);
    return after;
  });
});

test('two processes never draw the same position', () => {
  const [left, right] = [createPositionDraw(clockOf(5), 'a'), createPositionDraw(clockOf(5), 'b')];
  expect(left.next()).not.toBe(right.next());
});
