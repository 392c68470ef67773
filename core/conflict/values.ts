import { canonicalText } from '../canonical/canonical.ts';
import { type Decimal, decimalText, fixedText, parseDecimal } from '../canonical/decimal.ts';
import { ExactNumber, type JsonValue, numberFromText } from '../json.ts';

/** Equal by canonical text; undefined is an absent field. */
export function sameValue(left: JsonValue | undefined, right: JsonValue | undefined): boolean {
  if (left === right) return true;
  if (left === undefined || right === undefined || left === null || right === null) return false;
  const type = typeof left;
  if (type !== typeof right) return false;
  // Texts that differ may still be two ways to write the same letters.
  if (type === 'string') return isPlain(left as string) && isPlain(right as string) ? false : textOf(left) === textOf(right);
  return type === 'object' && textOf(left) === textOf(right);
}

function textOf(value: JsonValue): string {
  return canonicalText(value);
}

/** From here on Unicode knows several ways to write one letter. */
const beyondPlain = /[\u0300-\uffff]/;

function isPlain(text: string): boolean {
  return !beyondPlain.test(text);
}

type ValueType = 'text' | 'number' | 'boolean' | 'list' | 'object';

/** null and absent fit beside every type. */
export function typeOfValue(value: JsonValue | undefined): ValueType | undefined {
  if (value === undefined || value === null) return undefined;
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    default:
      return value instanceof ExactNumber ? 'number' : Array.isArray(value) ? 'list' : 'object';
  }
}

/** Numbers, and texts that are decimal numbers: many systems send money as text. */
export function decimalOf(value: JsonValue | undefined): Decimal | undefined {
  if (typeof value === 'number') return parseDecimal(String(value));
  if (value instanceof ExactNumber) return parseDecimal(value.text);
  return typeof value === 'string' ? parseDecimal(value) : undefined;
}

/** A decimal written as the sample is: a number, or a text with at least as many digits after the point. */
export function writtenLike(sample: JsonValue, value: Decimal): JsonValue {
  if (typeof sample !== 'string') return numberFromText(decimalText(value)) ?? null;
  const point = /\.(\d*)$/.exec(sample);
  return fixedText(value, Math.max(point === null ? 0 : point[1]!.length, -value.exponent, 0));
}
