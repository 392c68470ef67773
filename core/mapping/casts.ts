import { decimalText, isInteger } from '../canonical/decimal.ts';
import { type JsonValue, nestingMax, parseExact } from '../json.ts';
import { castDate, castDatetime } from './date-steps.ts';
import { UnfitValue } from './rule-failure.ts';
import type { CastType } from './rules.ts';
import { numberOf, requireDecimal, textOf } from './values.ts';

/** Half of what a record may have, so that the record it becomes part of stays within its own bound. */
const jsonLevelsMax = nestingMax / 2;

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
      return parseExact(value, jsonLevelsMax);
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
