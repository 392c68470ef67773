import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checksumOf } from '../canonical/canonical.ts';
import { type JsonObject, parseExact, stringifyExact } from '../json.ts';
import { comparisonSchema, compileComparison } from './comparison.ts';

const names = ['a', 'b', 'c', 'd'];
const value = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    ' ',
    'x',
    'X',
    ' x  y',
    'x y',
    0,
    1,
    1.05,
    '1.1',
    true,
    [],
    ['x'],
    ['X'],
    { k: 'x' },
    { k: 'X' },
  ),
  fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-01T01:00:00+01:00', '2026-01-01T00:00:01Z', '2026-01-01'),
  fc.integer({ min: -3, max: 3 }),
);
const record = fc
  .dictionary(fc.constantFrom(...names), value, { noNullPrototype: true })
  .map((json) => parseExact(JSON.stringify(json)) as JsonObject);
const some = fc.oneof(fc.boolean(), fc.subarray(names));
const rules = fc
  .record(
    {
      ignore: fc.subarray(names, { minLength: 1 }),
      numbers: fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom(0, 0.1, 2)),
      times: fc.dictionary(fc.constantFrom('c', 'd'), fc.constantFrom('0s', '1s', '1d')),
      ignoreCase: some,
      collapseSpaces: some,
      nullEqualsAbsent: fc.boolean(),
      emptyEqualsAbsent: fc.boolean(),
    },
    { requiredKeys: [] },
  )
  .map((written) => comparisonSchema.parse(JSON.parse(JSON.stringify(written))));

test('a record is the same as itself, in any order of fields', () => {
  fc.assert(
    fc.property(rules, record, (written, json) => {
      const comparison = compileComparison(written, undefined);
      const reversed = Object.fromEntries(Object.entries(json).reverse());
      expect(comparison.same(comparison.fingerprint(json), comparison.fingerprint(reversed))).toBe(true);
      expect(comparison.diff(json, reversed)).toEqual([]);
    }),
  );
});

test('fingerprints say the same as the records field by field, and both ways round', () => {
  fc.assert(
    fc.property(rules, record, record, fc.constantFrom(undefined, names), (written, left, right, fields) => {
      const comparison = compileComparison(written, fields);
      const same = comparison.same(comparison.fingerprint(left), comparison.fingerprint(right));
      expect(same).toBe(comparison.diff(left, right).length === 0);
      expect(comparison.same(comparison.fingerprint(right), comparison.fingerprint(left))).toBe(same);
    }),
    { numRuns: 2_000 },
  );
});

test('known fields change nothing but the cost', () => {
  fc.assert(
    fc.property(rules, record, (written, json) => {
      expect(compileComparison(written, names).fingerprint(json)).toBe(compileComparison(written, undefined).fingerprint(json));
    }),
  );
});

test('without rules the fingerprint is the checksum', () => {
  fc.assert(
    fc.property(record, (json) => {
      expect(compileComparison(undefined, names).fingerprint(json)).toBe(checksumOf(json));
      expect(compileComparison(comparisonSchema.parse({}), undefined).fingerprint(json)).toBe(checksumOf(json));
    }),
  );
});

test('a fingerprint is one line of 64 hexadecimal digits and JSON, and the record is left alone', () => {
  fc.assert(
    fc.property(rules, record, (written, json) => {
      const before = stringifyExact(json);
      expect(compileComparison(written, undefined).fingerprint(json)).toMatch(/^[0-9a-f]{64}(\[[^\n\0]*\])?$/);
      expect(stringifyExact(json)).toBe(before);
    }),
  );
});

test('two numbers are the same exactly up to the tolerance', () => {
  const cents = fc.integer({ min: -10_000, max: 10_000 });
  fc.assert(
    fc.property(cents, cents, fc.integer({ min: 0, max: 500 }), (left, right, tolerance) => {
      const comparison = compileComparison(comparisonSchema.parse({ numbers: { price: tolerance / 100 } }), undefined);
      const [before, after] = [comparison.fingerprint({ price: left / 100 }), comparison.fingerprint({ price: right / 100 })];
      expect(comparison.same(before, after)).toBe(Math.abs(left - right) <= tolerance);
    }),
  );
});
