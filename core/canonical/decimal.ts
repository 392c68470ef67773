/**
 * Exact decimals: coefficient × 10^exponent. Prices, quantities and 64-bit ids go through here wherever a
 * double would round. A Decimal is always reduced (no trailing zeros in the coefficient; zero is 0 × 10^0),
 * so two equal values have equal parts.
 */
export interface Decimal {
  readonly coefficient: bigint;
  readonly exponent: number;
}

/**
 * More digits than this before or after the point is no business fact but an attack on whoever prints it
 * (PostgreSQL writes 1e131071 out in full). It bounds every BigInt below.
 */
const decimalDigitsMax = 1000;

export type RoundingMode = 'half-up' | 'half-even' | 'up' | 'down' | 'floor' | 'ceiling';

export const roundingModes = [
  'half-up',
  'half-even',
  'up',
  'down',
  'floor',
  'ceiling',
] as const satisfies readonly RoundingMode[];

const decimalSyntax = /^([+-]?)(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([+-]?\d+))?$/;
const zero: Decimal = { coefficient: 0n, exponent: 0 };

/** undefined when the text is no decimal number, or has more than `decimalDigitsMax` digits on a side of the point. */
export function parseDecimal(text: string): Decimal | undefined {
  const parts = decimalSyntax.exec(text);
  if (parts === null) return undefined;
  const fraction = parts[3] ?? parts[4] ?? '';
  const digits = trimZeros((parts[2] ?? '') + fraction);
  if (digits.kept === '') return zero;
  const exponent = Number(parts[5] ?? '0') - fraction.length + digits.trailing;
  if (exponent < -decimalDigitsMax || digits.kept.length + exponent > decimalDigitsMax) return undefined;
  const magnitude = BigInt(digits.kept);
  return { coefficient: parts[1] === '-' ? -magnitude : magnitude, exponent };
}

function trimZeros(digits: string): { kept: string; trailing: number } {
  let start = 0;
  while (start < digits.length && digits.charCodeAt(start) === 48) start++;
  let end = digits.length;
  while (end > start && digits.charCodeAt(end - 1) === 48) end--;
  return { kept: digits.slice(start, end), trailing: digits.length - end };
}

/**
 * The canonical text of a decimal: what ECMAScript prints for a number, carried on to any number of digits.
 * Plain digits while the point lies at most 21 places right of the first digit and at most 6 places left of
 * it; otherwise d.ddde±x. docs/canonical-checksum.md defines it for other languages.
 */
export function decimalText(value: Decimal): string {
  if (value.coefficient === 0n) return '0';
  const sign = value.coefficient < 0n ? '-' : '';
  const digits = (value.coefficient < 0n ? -value.coefficient : value.coefficient).toString();
  const point = digits.length + value.exponent;
  if (value.exponent >= 0 && point <= 21) return sign + digits + '0'.repeat(value.exponent);
  if (point > 0 && point <= 21) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point > -6 && point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  const fraction = digits.length === 1 ? '' : `.${digits.slice(1)}`;
  return `${sign}${digits[0]}${fraction}e${point > 0 ? '+' : '-'}${Math.abs(point - 1)}`;
}

/** All digits written out with exactly `scale` of them after the point: 1.5 at scale 2 is `1.50`. The value must fit. */
export function fixedText(value: Decimal, scale: number): string {
  const scaled = round(value, scale, 'half-up');
  const units = scaled.coefficient * 10n ** BigInt(scaled.exponent + scale);
  const sign = units < 0n ? '-' : '';
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  return scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function reduced(coefficient: bigint, exponent: number): Decimal {
  if (coefficient === 0n) return zero;
  let [left, shift] = [coefficient, exponent];
  while (left % 10n === 0n) {
    left /= 10n;
    shift++;
  }
  return { coefficient: left, exponent: shift };
}

export function isInteger(value: Decimal): boolean {
  return value.exponent >= 0;
}

/** Digits after the point. */
function scaleOf(value: Decimal): number {
  return Math.max(0, -value.exponent);
}

/** Every result keeps the bound on digits: undefined is an overflow that the caller reports. */
function bounded(value: Decimal): Decimal | undefined {
  const digits = value.coefficient.toString().length;
  return scaleOf(value) > decimalDigitsMax || digits + value.exponent > decimalDigitsMax + 1 ? undefined : value;
}

export function add(left: Decimal, right: Decimal): Decimal | undefined {
  const exponent = Math.min(left.exponent, right.exponent);
  return bounded(reduced(unitsAt(left, exponent) + unitsAt(right, exponent), exponent));
}

function unitsAt(value: Decimal, exponent: number): bigint {
  return value.coefficient * 10n ** BigInt(value.exponent - exponent);
}

export function negate(value: Decimal): Decimal {
  return { coefficient: -value.coefficient, exponent: value.exponent };
}

export function multiply(left: Decimal, right: Decimal): Decimal | undefined {
  return bounded(reduced(left.coefficient * right.coefficient, left.exponent + right.exponent));
}

/** The quotient rounded to `scale` digits after the point; the divisor is not zero. */
export function divide(left: Decimal, right: Decimal, scale: number, mode: RoundingMode): Decimal | undefined {
  const shift = left.exponent - right.exponent + scale;
  const numerator = shift >= 0 ? left.coefficient * 10n ** BigInt(shift) : left.coefficient;
  const denominator = shift >= 0 ? right.coefficient : right.coefficient * 10n ** BigInt(-shift);
  return bounded(reduced(roundedQuotient(numerator, denominator, mode), 0 - scale));
}

/** undefined when the quotient has no end (1/3). */
export function divideExactly(left: Decimal, right: Decimal): Decimal | undefined {
  let rest = right.coefficient < 0n ? -right.coefficient : right.coefficient;
  let scale = 0;
  while (rest % 2n === 0n || rest % 5n === 0n) {
    if (rest % 2n === 0n) rest /= 2n;
    if (rest % 5n === 0n) rest /= 5n;
    scale++;
  }
  if (rest !== 1n) return undefined;
  return divide(left, right, Math.max(0, scale + right.exponent - left.exponent), 'down');
}

export function round(value: Decimal, scale: number, mode: RoundingMode): Decimal {
  if (scaleOf(value) <= scale) return value;
  const denominator = 10n ** BigInt(-value.exponent - scale);
  return reduced(roundedQuotient(value.coefficient, denominator, mode), 0 - scale);
}

function roundedQuotient(numerator: bigint, denominator: bigint, mode: RoundingMode): bigint {
  const quotient = numerator / denominator;
  const remainder = numerator % denominator;
  if (remainder === 0n) return quotient;
  const negative = numerator < 0n !== denominator < 0n;
  const away = quotient + (negative ? -1n : 1n);
  return roundsAway(mode, negative, quotient, twiceAgainst(remainder, denominator)) ? away : quotient;
}

/** Below, at or above the half: −1, 0, 1. */
function twiceAgainst(remainder: bigint, denominator: bigint): number {
  const twice = (remainder < 0n ? -remainder : remainder) * 2n;
  const whole = denominator < 0n ? -denominator : denominator;
  return twice < whole ? -1 : twice > whole ? 1 : 0;
}

function roundsAway(mode: RoundingMode, negative: boolean, quotient: bigint, half: number): boolean {
  switch (mode) {
    case 'half-up':
      return half >= 0;
    case 'half-even':
      return half > 0 || (half === 0 && quotient % 2n !== 0n);
    case 'up':
      return true;
    case 'down':
      return false;
    case 'floor':
      return negative;
    case 'ceiling':
      return !negative;
  }
}

/** −1, 0 or 1. */
export function compare(left: Decimal, right: Decimal): number {
  const exponent = Math.min(left.exponent, right.exponent);
  const [leftUnits, rightUnits] = [unitsAt(left, exponent), unitsAt(right, exponent)];
  return leftUnits < rightUnits ? -1 : leftUnits > rightUnits ? 1 : 0;
}
