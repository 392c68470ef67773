/** Between the types of JSON: what `cast` and the arithmetic rest on. A value that does not fit throws UnfitValue. */
import { canonicalText } from '../canonical/canonical.ts';
import { type Decimal, decimalText, isInteger, parseDecimal } from '../canonical/decimal.ts';
import { ExactNumber, type JsonValue, numberFromText, parseExact, stringifyExact } from '../json.ts';
import { castDate, castDatetime } from './date-steps.ts';
import { UnfitValue } from './rule-failure.ts';
import type { CastType } from './rules.ts';

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
  return typeof value === 'object' && value !== null && !(value instanceof ExactNumber) ? stringifyExact(value) : canonicalText(value);
}

export const casts: Readonly<Record<CastType, (value: JsonValue) => JsonValue>> = {
  string: textOf,
  integer(value) {
    if (typeof value === 'boolean') return value ? 1 : 0;
    if (Number.isSafeInteger(value)) return value;
    const decimal = requireDecimal(value);
    if (!isInteger(decimal)) throw new UnfitValue('is no whole number; round it first');
    return numberOf(decimal);
  },
  decimal: (value) => (typeof value === 'number' ? value : numberOf(requireDecimal(value))),
  number(value) {
    const double = Number(decimalText(requireDecimal(value)));
    if (!Number.isFinite(double)) throw new UnfitValue('is too large for a floating-point number');
    return double;
  },
  boolean: castBoolean,
  date: castDate,
  datetime: castDatetime,
  json(value) {
    if (typeof value !== 'string') return value;
    try {
      return parseExact(value);
    } catch (cause) {
      throw new UnfitValue('is no JSON text', { cause });
    }
  },
};

const truths: Readonly<Record<string, boolean>> = {
  true: true,
  t: true,
  yes: true,
  y: true,
  on: true,
  '1': true,
  false: false,
  f: false,
  no: false,
  n: false,
  off: false,
  '0': false,
};

function castBoolean(value: JsonValue): JsonValue {
  if (typeof value === 'boolean') return value;
  const text = typeof value === 'number' || typeof value === 'string' ? String(value).trim().toLowerCase() : '';
  const truth = Object.hasOwn(truths, text) ? truths[text] : undefined;
  if (truth === undefined) throw new UnfitValue('is neither true nor false (true/false, yes/no, y/n, t/f, on/off, 1/0)');
  return truth;
}
