/** Between the types of JSON: what `cast` and the arithmetic rest on. A value that does not fit throws UnfitValue. */
import { canonicalText } from '../canonical/canonical.ts';
import { type Decimal, decimalText, parseDecimal } from '../canonical/decimal.ts';
import { ExactNumber, type JsonValue, numberFromText, stringifyExact } from '../json.ts';
import { UnfitValue } from './rule-failure.ts';

/** Numbers, and texts that are a plain decimal number. */
export function decimalOf(value: JsonValue): Decimal | undefined {
  if (typeof value === 'number') return parseDecimal(String(value));
  if (value instanceof ExactNumber) return parseDecimal(value.text);
  return typeof value === 'string' ? parseDecimal(value.trim()) : undefined;
}

export function requireDecimal(value: JsonValue): Decimal {
  const decimal = decimalOf(value);
  if (decimal === undefined) throw new UnfitValue('is no number');
  return decimal;
}

/** A double where it is exact. */
export function numberOf(decimal: Decimal | undefined): JsonValue {
  const number = decimal === undefined ? undefined : numberFromText(decimalText(decimal));
  if (number === undefined) throw new UnfitValue('gives a number of more than 1,000 digits');
  return number;
}

export function requireText(value: JsonValue): string {
  if (typeof value === 'string') return value;
  throw new UnfitValue('is no text');
}

/** What a template or concat writes for a value. */
export function textOf(value: JsonValue): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null && !(value instanceof ExactNumber)
    ? stringifyExact(value)
    : canonicalText(value);
}
