/**
 * A position orders the changes of one source: (epoch, order), compared bytewise by core and opaque to everyone
 * but the connector that made it. The epoch rises when the source's own numbering starts anew.
 *
 * Text form: eight hex digits of the epoch, a colon, the order. The order is whatever the connector finds sortable
 * as bytes: a zero-padded LSN, a fixed-width counter.
 */
export type Position = string & { readonly brand: 'Position' };

const epochDigits = 8;
const positionPattern = /^[0-9a-f]{8}:[\x21-\x7e]{1,64}$/;

/** Before every position there is. */
export const lowestPosition = '00000000:!' as Position;

export function positionOf(epoch: number, order: string): Position {
  const position = `${epoch.toString(16).padStart(epochDigits, '0')}:${order}`;
  if (!isPosition(position)) throw new RangeError(`not a position: ${position}`);
  return position;
}

export function isPosition(text: string): text is Position {
  return positionPattern.test(text);
}

/** Positions are printable ASCII, so comparing code units is comparing bytes (and PostgreSQL's collation "C"). */
export function isAfter(position: Position, other: Position): boolean {
  return position > other;
}

/** Below every position that is above this one, but those that came out of it in the same way. Undefined where there is no room left. */
export function rightBehind(position: Position): Position | undefined {
  const next = `${position}!`;
  return isPosition(next) ? next : undefined;
}

/** No connector ends a position so: `lowestPosition` is nobody's. */
export function isRightBehind(position: Position): boolean {
  return position.endsWith('!');
}

/** A whole number as a fixed-width order: 16 digits hold every offset, LSN and microsecond there will be. */
export function orderOf(value: number | bigint): string {
  return value.toString(16).padStart(16, '0');
}
