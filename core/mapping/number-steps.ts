/** Number formats, rounding and arithmetic, all in exact decimals. */
import {
  add,
  type Decimal,
  divide,
  divideExactly,
  fixedText,
  multiply,
  negate,
  parseDecimal,
  type RoundingMode,
  round,
} from '../canonical/decimal.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { compilePath } from './path.ts';
import { InvalidRule, UnfitValue } from './rule-failure.ts';
import type { StepParts } from './rules.ts';
import { numberOf, requireDecimal } from './values.ts';

export type Transform = (value: JsonValue, record: JsonObject) => JsonValue | undefined;

/**
 * Reads `1.234,50`. Groups must be of three digits: with `.` as group separator `1.5` is an error and not 15.
 * Numbers pass as they are.
 */
export function compileParseNumber(rule: NonNullable<StepParts['parseNumber']>): Transform {
  const { decimal, group } = rule;
  if (decimal === group) throw new InvalidRule('the decimal mark and the group separator are the same');
  const grouped = group === undefined ? undefined : new RegExp(`^[+-]?\\d{1,3}(?:${escapeSpace(group)}\\d{3})+$`);
  return (value) => {
    if (typeof value !== 'string') return numberOf(requireDecimal(value));
    const text = value.trim();
    const point = text.indexOf(decimal);
    const whole = point < 0 ? text : text.slice(0, point);
    const plain = grouped?.test(whole) ? whole.replace(/[^\d+-]/g, '') : whole;
    const parsed = /^[+-]?\d*$/.test(plain)
      ? parseDecimal(point < 0 ? plain : `${plain}.${digitsOnly(text.slice(point + 1))}`)
      : undefined;
    if (parsed === undefined) throw new UnfitValue(`is no number written with "${decimal}"${group ? ` and "${group}"` : ''}`);
    return numberOf(parsed);
  };
}

/** A space stands for any of the spaces that separate groups in print: plain, no-break, narrow no-break. */
function escapeSpace(group: string): string {
  return /\s/.test(group) ? '\\s' : group.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function digitsOnly(text: string): string {
  return /^\d*$/.test(text) ? text : 'x';
}

export function compileFormatNumber(rule: NonNullable<StepParts['formatNumber']>): Transform {
  const { scale, decimal, group, rounding } = rule;
  if (decimal === group) throw new InvalidRule('the decimal mark and the group separator are the same');
  return (value) => {
    const text = fixedText(round(requireDecimal(value), scale, rounding), scale);
    const [whole = '', fraction] = text.split('.');
    const grouped = group === '' ? whole : whole.replace(/\B(?=(\d{3})+$)/g, () => group);
    return fraction === undefined ? grouped : grouped + decimal + fraction;
  };
}

export function compileRound(step: NonNullable<StepParts['round']>): Transform {
  const { scale, rounding } = typeof step === 'number' ? { scale: step, rounding: 'half-up' as const } : step;
  return (value) =>
    typeof value === 'number' && Number.isSafeInteger(value) ? value : numberOf(round(requireDecimal(value), scale, rounding));
}

type Operand = NonNullable<StepParts['add']>;

/** A missing operand is an error: a sum with nothing is no sum. */
function operandReader(operand: Operand): (record: JsonObject) => Decimal {
  if (typeof operand !== 'object') {
    const constant = parseDecimal(String(operand));
    if (constant === undefined) throw new InvalidRule(`"${operand}" is no number`);
    return () => constant;
  }
  const read = compilePath(operand.from);
  return (record) => {
    const value = read(record);
    if (value === undefined || value === null) throw new UnfitValue(`cannot be combined with "${operand.from}", which is absent`);
    return requireDecimal(value);
  };
}

export function compileAdd(operand: Operand): Transform {
  const read = operandReader(operand);
  return (value, record) => numberOf(add(requireDecimal(value), read(record)));
}

export function compileSubtract(operand: Operand): Transform {
  const read = operandReader(operand);
  return (value, record) => numberOf(add(requireDecimal(value), negate(read(record))));
}

export function compileMultiply(operand: Operand): Transform {
  const read = operandReader(operand);
  return (value, record) => numberOf(multiply(requireDecimal(value), read(record)));
}

/** Without a scale the divisor must be a constant that always divides to an end: 2, 100, 0.25, not 3. */
export function compileDivide(step: NonNullable<StepParts['divide']>): Transform {
  if (typeof step === 'object' && 'by' in step) return compileScaledDivide(step.by, step.scale, step.rounding);
  if (typeof step === 'object') throw new InvalidRule('a division by a field needs a scale: { by: { from: … }, scale: 2 }');
  const divisor = parseDecimal(String(step));
  if (divisor === undefined || divisor.coefficient === 0n) throw new InvalidRule('cannot divide by zero');
  if (divideExactly({ coefficient: 1n, exponent: 0 }, divisor) === undefined) {
    throw new InvalidRule(`a division by ${step} can have no end: give it a scale, { by: ${step}, scale: 2 }`);
  }
  return (value) => numberOf(divideExactly(requireDecimal(value), divisor));
}

function compileScaledDivide(by: Operand, scale: number, rounding: RoundingMode): Transform {
  const read = operandReader(by);
  if (typeof by !== 'object' && parseDecimal(String(by))?.coefficient === 0n) throw new InvalidRule('cannot divide by zero');
  return (value, record) => {
    const divisor = read(record);
    if (divisor.coefficient === 0n) throw new UnfitValue('cannot be divided by zero');
    return numberOf(divide(requireDecimal(value), divisor, scale, rounding));
  };
}
