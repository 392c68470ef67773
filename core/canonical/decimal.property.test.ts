import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  add,
  compare,
  type Decimal,
  decimalText,
  divide,
  divideExactly,
  fixedText,
  multiply,
  negate,
  parseDecimal,
  round,
  roundingModes,
} from './decimal.ts';

const decimal = fc
  .tuple(fc.bigInt(-(10n ** 25n), 10n ** 25n), fc.integer({ min: -30, max: 30 }))
  .map(([coefficient, exponent]) => parseDecimal(`${coefficient}e${exponent}`)!);
const zero = parseDecimal('0')!;

/** value × 10^60 as a whole number: exact for everything these tests make. */
function units(value: Decimal): bigint {
  return value.coefficient * 10n ** BigInt(value.exponent + 60);
}

test('a double is written as ECMAScript writes it', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (double) => {
      expect(decimalText(parseDecimal(String(double))!)).toBe(String(double));
    }),
    { numRuns: 1_000 },
  );
});

test('the text of a decimal reads back as the same decimal', () => {
  fc.assert(
    fc.property(decimal, (value) => {
      expect(parseDecimal(decimalText(value))).toEqual(value);
    }),
  );
});

test('sum and product are exact', () => {
  fc.assert(
    fc.property(decimal, decimal, (left, right) => {
      expect(units(add(left, right)!)).toBe(units(left) + units(right));
      const product = multiply(left, right)!;
      expect(product.coefficient * 10n ** BigInt(product.exponent + 120)).toBe(units(left) * units(right));
      expect(add(add(left, right)!, negate(right))).toEqual(left);
    }),
  );
});

test('order is that of the values', () => {
  fc.assert(
    fc.property(decimal, decimal, (left, right) => {
      const expected = units(left) < units(right) ? -1 : units(left) > units(right) ? 1 : 0;
      expect(compare(left, right)).toBe(expected);
    }),
  );
});

test('a rounded value is within one unit of the last place, and half a unit for the half modes', () => {
  fc.assert(
    fc.property(decimal, fc.integer({ min: 0, max: 10 }), fc.constantFrom(...roundingModes), (value, scale, mode) => {
      const rounded = round(value, scale, mode);
      const unit = 10n ** BigInt(60 - scale);
      const distance = units(rounded) - units(value);
      const size = distance < 0n ? -distance : distance;
      expect(units(rounded) % unit).toBe(0n);
      expect(mode.startsWith('half') ? size * 2n <= unit : size < unit).toBe(true);
      if (mode === 'floor') expect(distance <= 0n).toBe(true);
      if (mode === 'ceiling') expect(distance >= 0n).toBe(true);
      if (mode === 'up') expect(compare(rounded, zero) < 0 ? distance <= 0n : distance >= 0n).toBe(true);
      if (mode === 'down') expect(compare(value, zero) < 0 ? distance >= 0n : distance <= 0n).toBe(true);
    }),
  );
});

test('a quotient is the rounded exact one', () => {
  const divisor = decimal.filter((value) => value.coefficient !== 0n);
  fc.assert(
    fc.property(decimal, divisor, (value, by) => {
      const exact = multiply(value, by)!;
      expect(divide(exact, by, 60, 'half-even')).toEqual(value);
      expect(divideExactly(value, parseDecimal('0.08')!)).toEqual(multiply(value, parseDecimal('12.5')!));
    }),
  );
});

test('a division without end has no exact quotient', () => {
  expect(divideExactly(parseDecimal('1')!, parseDecimal('3')!)).toBeUndefined();
});

test('halves are rounded as the mode says', () => {
  const texts = ['2.5', '-2.5', '3.5', '-3.5'].map((text) => parseDecimal(text)!);
  const rounded = (mode: (typeof roundingModes)[number]) => texts.map((value) => decimalText(round(value, 0, mode)));
  expect(rounded('half-up')).toEqual(['3', '-3', '4', '-4']);
  expect(rounded('half-even')).toEqual(['2', '-2', '4', '-4']);
  expect(rounded('floor')).toEqual(['2', '-3', '3', '-4']);
  expect(rounded('ceiling')).toEqual(['3', '-2', '4', '-3']);
});

test('a fixed text has all its digits', () => {
  expect(fixedText(parseDecimal('-0.5')!, 2)).toBe('-0.50');
  expect(fixedText(parseDecimal('1e3')!, 2)).toBe('1000.00');
  expect(fixedText(parseDecimal('0')!, 0)).toBe('0');
});

test('what is no decimal is none', () => {
  for (const text of ['', '.', '-', 'abc', '1e', '0x10', '1_000', 'Infinity', ' 1', '1e1001', '1e-1001'])
    expect(parseDecimal(text)).toBeUndefined();
  for (const text of ['.5', '5.', '+5', '007', '0e9999']) expect(parseDecimal(text)).toBeDefined();
});
