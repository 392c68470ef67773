import { describe, expect, test } from 'vitest';
import { checksumOf } from '../canonical/canonical.ts';
import { type JsonObject, parseExact } from '../json.ts';
import { comparisonSchema, compileComparison } from './comparison.ts';

function compare(rules: unknown, before: JsonObject, after: JsonObject, fields?: readonly string[]) {
  const comparison = compileComparison(rules === undefined ? undefined : comparisonSchema.parse(rules), fields);
  const same = comparison.same(comparison.fingerprint(before), comparison.fingerprint(after));
  const changed = comparison.diff(before, after).map((change) => change.field);
  expect(same).toBe(changed.length === 0);
  return changed;
}

describe('without rules', () => {
  test('the fingerprint is the checksum of the record', () => {
    const record = { b: 1, a: 'x', c: null };
    expect(compileComparison(undefined, undefined).fingerprint(record)).toBe(checksumOf(record));
    expect(compileComparison(undefined, ['c', 'a', 'b', 'never']).fingerprint(record)).toBe(checksumOf(record));
  });

  test('every field counts, and null is not absent', () => {
    expect(compare(undefined, { a: 1, b: 2 }, { a: 1, b: 3, c: null })).toEqual(['b', 'c']);
    expect(compare(undefined, { a: 1 }, { a: 1.0 })).toEqual([]);
    expect(compare(undefined, { a: '' }, { a: null })).toEqual(['a']);
  });

  test('the last digit of a 64-bit number counts', () => {
    expect(
      compare(undefined, parseExact('{"a":9007199254740992}') as JsonObject, parseExact('{"a":9007199254740993}') as JsonObject),
    ).toEqual(['a']);
  });
});

test('only the fields listed count', () => {
  expect(compare({ fields: ['a'] }, { a: 1, b: 1 }, { a: 1, b: 2 })).toEqual([]);
  expect(compare({ fields: ['a'] }, { a: 1, b: 1 }, { a: 2, b: 2 })).toEqual(['a']);
});

test('ignored fields do not count, known beforehand or not', () => {
  for (const fields of [undefined, ['a', 'seen_at']]) {
    expect(compare({ ignore: ['seen_at'] }, { a: 1, seen_at: 1 }, { a: 1, seen_at: 2 }, fields)).toEqual([]);
    expect(compare({ ignore: ['seen_at'] }, { a: 1, seen_at: 1 }, { a: 2, seen_at: 1 }, fields)).toEqual(['a']);
  }
});

test('a field that counts but cannot come is a mistake, not a comparison that misses changes', () => {
  expect(() => compileComparison(comparisonSchema.parse({ fields: ['prise'] }), ['price'])).toThrow(
    expect.objectContaining({ code: 'config.invalid', message: expect.stringContaining('prise') }),
  );
});

describe('tolerance for numbers', () => {
  const rules = { numbers: { price: 0.1, weight: '0' } };

  test.each([
    [0.3, 0.4, []],
    ['0.3', 0.4, []],
    [0.3, 0.4000000001, ['price']],
    [-0.05, 0.05, []],
    [1, 'one', ['price']],
    ['one', 'one', []],
    ['one', 'two', ['price']],
    [1, null, ['price']],
    [null, null, []],
  ])('%j and %j', (before, after, changed) => expect(compare(rules, { price: before }, { price: after })).toEqual(changed));

  test('an absent value is near none', () => {
    expect(compare(rules, { price: 0 }, {})).toEqual(['price']);
    expect(compare(rules, { price: null }, {})).toEqual(['price']);
    expect(compare(rules, {}, {})).toEqual([]);
  });

  test('fields beside it are compared exactly', () => {
    expect(compare(rules, { price: 1, a: 1 }, { price: 1.05, a: 2 })).toEqual(['a']);
  });

  test('digits no double carries are compared by their value', () => {
    const [before, after] = ['{"price":9007199254740993}', '{"price":"9007199254740993.05"}'].map(
      (text) => parseExact(text) as JsonObject,
    );
    expect(compare(rules, before!, after!)).toEqual([]);
    expect(compare({ numbers: { price: 0.01 } }, before!, after!)).toEqual(['price']);
  });
});

describe('tolerance for times', () => {
  test.each([
    ['2026-01-01T00:00:00Z', '2026-01-01T01:00:02+01:00', '2s', []],
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:02.000000001Z', '2s', ['at']],
    ['2026-01-01T00:00:00Z', '2025-12-31T23:59:59.5Z', '500ms', []],
    ['2026-01-01T00:00:00.0Z', '2026-01-01T01:00:00+01:00', '0s', []],
    ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '1d', []],
    ['2026-01-01', '2026-01-01T00:00:00Z', '1d', ['at']],
    ['never', 'never', '1d', []],
  ])('%s and %s within %s', (before, after, at, changed) => {
    expect(compare({ times: { at } }, { at: before }, { at: after })).toEqual(changed);
  });

  test('without a rule a time is text', () => {
    expect(compare(undefined, { at: '2026-01-01T00:00:00Z' }, { at: '2026-01-01T00:00:00.0Z' })).toEqual(['at']);
  });
});

describe('text', () => {
  test('case and white space count unless a rule says otherwise, for all fields or those listed', () => {
    const [before, after] = [
      { a: 'Red  Shoe ', b: 'X' },
      { a: 'red shoe', b: 'x' },
    ];
    expect(compare({}, before, after)).toEqual(['a', 'b']);
    expect(compare({ ignoreCase: true, collapseSpaces: true }, before, after)).toEqual([]);
    expect(compare({ ignoreCase: ['a'], collapseSpaces: ['a'] }, before, after)).toEqual(['b']);
    expect(compare({ ignoreCase: true }, { a: [{ b: 'X' }] }, { a: [{ b: 'x' }] })).toEqual([]);
  });

  test('null and empty are absent where a rule says so', () => {
    expect(compare({ nullEqualsAbsent: true }, { a: null, b: '' }, {})).toEqual(['b']);
    expect(compare({ emptyEqualsAbsent: true }, { a: null, b: '' }, {})).toEqual([]);
    expect(compare({ emptyEqualsAbsent: true, collapseSpaces: true }, { b: '  ' }, { b: null })).toEqual([]);
  });
});

test('a change shows the values of the records, not the normalised ones', () => {
  const comparison = compileComparison(comparisonSchema.parse({ ignoreCase: true }), undefined);
  expect(comparison.diff({ a: 'X', b: 1 }, { a: 'Y', c: null })).toEqual([
    { field: 'a', before: 'X', after: 'Y' },
    { field: 'b', before: 1, after: undefined },
    { field: 'c', before: undefined, after: null },
  ]);
});

test('against no record every field is a change', () => {
  const comparison = compileComparison(undefined, undefined);
  expect(comparison.diff(null, { b: 1, a: 2 }).map((change) => change.field)).toEqual(['a', 'b']);
  expect(comparison.diff({ a: 2 }, null)).toEqual([{ field: 'a', before: 2, after: undefined }]);
  expect(comparison.diff(null, null)).toEqual([]);
});

test('a fingerprint of another configuration, or none, is no match', () => {
  const comparison = compileComparison(comparisonSchema.parse({ numbers: { price: 1 } }), undefined);
  const fingerprint = comparison.fingerprint({ price: 1 });
  expect(comparison.same('', fingerprint)).toBe(false);
  expect(comparison.same(fingerprint.slice(0, 64), fingerprint)).toBe(false);
  expect(comparison.same(`${fingerprint.slice(0, 64)}[1,2]`, fingerprint)).toBe(false);
});

test('the id changes with the rules and the fields they apply to', () => {
  const id = (rules: unknown, fields?: string[]) => compileComparison(comparisonSchema.parse(rules), fields).id;
  expect(id({ ignore: ['a'] })).toBe(id({ ignore: ['a'], ignoreCase: false }));
  expect(id({ ignore: ['a'] })).not.toBe(id({ ignore: ['b'] }));
  expect(id({}, ['a'])).not.toBe(id({}, ['a', 'b']));
});

test.each([
  { fields: ['a'], ignore: ['b'] },
  { numbers: { a: 1 }, times: { a: '1s' } },
  { numbers: { a: -1 } },
  { times: { a: '2 seconds' } },
  { field: ['a'] },
])('the schema refuses %j', (rules) => expect(comparisonSchema.safeParse(rules).success).toBe(false));
