import { orderOf, type Position, positionOf } from '../../core/position.ts';
import type { SharedClock } from './shared-clock.ts';

/** Posts have no position of their own, so the connector draws one. */
export interface PositionDraw {
  /** Undefined when `next` may be called now. */
  ready(): Promise<void> | undefined;
  next(): Position;
  /** Undefined when whoever posts after this is sure to get a higher position, whichever process takes the post. */
  passed(position: Position): Promise<void> | undefined;
}

const epoch = 1;
const orderStart = positionOf(epoch, '-').length - 1;
const orderDigits = orderOf(0).length;

/** Microseconds of the clock all processes share. `instance` tells processes apart that draw in the same microsecond. */
export function createPositionDraw(shared: SharedClock, instance: string): PositionDraw {
  return {
    ready: () => shared.ready(),
    next: () => positionOf(epoch, `${orderOf(shared.draw())}-${instance}`),
    passed: (position) => shared.passed(Number.parseInt(position.slice(orderStart, orderStart + orderDigits), 16)),
  };
}
