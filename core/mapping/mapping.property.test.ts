// biome-ignore-all lint/suspicious/noThenProperty: the language reads when … then … else; no rule is awaited.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSyncError } from '../errors.ts';
import { type JsonObject, parseExact, stringifyExact } from '../json.ts';
import { compileMapping, mappingSchema } from './mapping.ts';

const scalar = fc.oneof(
  fc.string(),
  fc.constantFrom(' 12,50 ', '2026-01-01', 'yes', '9007199254740993', ''),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
);
const record = fc
  .record(
    {
      a: scalar,
      b: scalar,
      c: fc.dictionary(fc.constantFrom('d', 'e'), scalar),
      f: fc.array(fc.oneof(scalar, fc.record({ d: scalar }))),
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  .map((json) => parseExact(stringifyExact(json as JsonObject)) as JsonObject);

const path = fc.constantFrom('a', 'b', 'c', 'c.d', 'f', 'f[0]', 'f[*].d', 'missing');
const step = fc.constantFrom<unknown>(
  'trim',
  'lower',
  'title',
  { trim: 'control' },
  { cast: 'string' },
  { cast: 'integer' },
  { cast: 'decimal' },
  { cast: 'boolean' },
  { cast: 'json' },
  { cast: 'datetime' },
  { parseDate: 'iso' },
  { parseNumber: { decimal: ',' } },
  { round: 1 },
  { add: { from: 'b' } },
  { multiply: 3 },
  { split: ',' },
  { join: ',' },
  { path: 'd' },
  { nullIf: [''] },
  { each: { x: 'd' } },
);
const rule = fc.oneof(
  path,
  fc.record(
    { from: path, do: fc.array(step, { maxLength: 3 }), default: fc.constantFrom<unknown>(0, 'x') },
    { requiredKeys: ['from'] },
  ),
  fc.constantFrom<unknown>(
    { template: '{a}/{c.d}' },
    { concat: { fields: ['a', 'b'] } },
    { first: ['missing', 'a'] },
    { object: { x: 'a', y: 'c.e' } },
    { when: { field: 'a', empty: true }, then: 'b', else: 'c' },
  ),
);
const rules = fc
  .record({
    keep: fc.constantFrom('mapped', 'all'),
    fields: fc.dictionary(fc.constantFrom('a', 'b', 'x', 'y'), rule, { minKeys: 1 }),
  })
  .map((written) => mappingSchema.parse(JSON.parse(JSON.stringify(written))));

test('a mapping never changes the record it reads, and always gives the same for the same', () => {
  fc.assert(
    fc.property(rules, record, (written, input) => {
      const before = stringifyExact(input);
      const mapping = compileMapping(written);
      const outcome = () => {
        try {
          return stringifyExact(mapping.map(input));
        } catch (error) {
          if (!isSyncError(error) || error.code !== 'mapping.failed') throw error;
          return error.message;
        }
      };
      expect(outcome()).toBe(outcome());
      expect(stringifyExact(input)).toBe(before);
    }),
    { numRuns: 1_000 },
  );
});

test('a mapped record has no field but the known ones', () => {
  fc.assert(
    fc.property(rules, record, (written, input) => {
      const mapping = compileMapping({ ...written, keep: 'mapped' });
      try {
        for (const field of Object.keys(mapping.map(input))) expect(mapping.fields).toContain(field);
      } catch (error) {
        if (!isSyncError(error)) throw error;
      }
    }),
  );
});

test('keep: all without rules on a field gives it on as it is', () => {
  fc.assert(
    fc.property(record, (input) => {
      const mapping = compileMapping(mappingSchema.parse({ keep: 'all' }));
      expect(mapping.map(input)).toEqual(input);
    }),
  );
});
