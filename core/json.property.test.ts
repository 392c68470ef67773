import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalText } from './canonical/canonical.ts';
import { findUnstorableText, type JsonValue, numberFromText, parseExact, stringifyExact } from './json.ts';

const literal = fc
  .tuple(fc.bigInt(-(10n ** 30n), 10n ** 30n), fc.integer({ min: -40, max: 40 }), fc.constantFrom('', 'plain'))
  .map(([digits, exponent, form]) => (form === 'plain' ? String(digits) : `${digits}e${exponent}`));

/** Values of any depth, with numbers no double carries among them. */
const value: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: 'binary' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((double) => double + 0),
    literal.map((text) => numberFromText(text)!),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(
      fc.string({ unit: 'binary' }).filter((name) => name !== '__proto__'),
      tie('value'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
})).value;

test('what is written reads back as the same value', () => {
  fc.assert(
    fc.property(value, (written) => {
      expect(canonicalText(parseExact(stringifyExact(written)))).toBe(canonicalText(written));
      expect(stringifyExact(parseExact(stringifyExact(written)))).toBe(stringifyExact(written));
    }),
  );
});

test('a number literal and its value are one decimal, however it is written', () => {
  fc.assert(
    fc.property(literal, fc.integer({ min: 0, max: 30 }), (text, zeros) => {
      const [digits, exponent = '0'] = text.split('e');
      const padded = `${digits}.0${'0'.repeat(zeros)}e${exponent}`;
      expect(parseExact(`{"n":${padded}}`)).toEqual({ n: numberFromText(text) });
    }),
  );
});

test('unstorable text is found exactly where the value has it', () => {
  const part = fc.constantFrom('\0', '\ud800', '\udfff', '\ud83d\ude00', '\\', 'u0000', 'ud800', '"', '\u0001', 'é');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
      const text = parts.join('');
      const found = findUnstorableText(stringifyExact({ text }));
      expect(found !== undefined).toBe(text.includes('\0') || !text.isWellFormed());
    }),
    { numRuns: 500 },
  );
});
