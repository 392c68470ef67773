import type { Clock } from '../../core/ports/clock.ts';
import { orderOf, type Position, positionOf } from '../../core/position.ts';

/** Posts have no position of their own, so the connector draws one. */
export interface PositionDraw {
  next(): Position;
}

/**
 * A hybrid clock: microseconds of the wall clock, or one more than the last draw where the clock stands or steps back.
 * `instance` tells processes apart that draw in the same microsecond.
 */
export function createPositionDraw(clock: Clock, instance: string): PositionDraw {
  let lastUs = 0;
  return {
    next() {
      lastUs = Math.max(clock.nowMs() * 1_000, lastUs + 1);
      return positionOf(1, `${orderOf(Math.floor(lastUs))}-${instance}`);
    },
  };
}
