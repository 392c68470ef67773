import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileIdentity, identitySchema } from './identity.ts';

const identity = compileIdentity(
  'product',
  identitySchema.parse([
    { fields: ['a', 'b'], normalise: [] },
    { name: 'a', fields: ['a'], normalise: [] },
    { name: 'a=', fields: ['b'], normalise: [] },
    { name: '|', fields: ['c'], normalise: [] },
  ]),
);
const part = fc
  .array(fc.constantFrom('|', '=', '\\', 'a', 'b', '+', '/', ':'), { minLength: 1, maxLength: 5 })
  .map((all) => all.join(''));
const record = fc.record({ a: part, b: part, c: part });

test('keys of different rules or different values never collide', () => {
  fc.assert(
    fc.property(record, record, (left, right) => {
      const [leftKeys, rightKeys] = [identity.matchKeysOf(left), identity.matchKeysOf(right)];
      const equal = [left.a === right.a && left.b === right.b, left.a === right.a, left.b === right.b, left.c === right.c];
      expect(new Set(leftKeys).size).toBe(4);
      for (const [i, key] of leftKeys.entries()) {
        for (const [j, other] of rightKeys.entries()) expect(key === other).toBe(i === j && equal[i]);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('first names of different origin never meet', () => {
  const simple = compileIdentity(
    'product',
    identitySchema.parse([
      { fields: ['a'], normalise: [] },
      { fields: ['b'], normalise: [] },
    ]),
  );
  fc.assert(
    fc.property(part, part, part, (a, b, key) => {
      const names = [simple.firstNameOf({ a }, 's', key), simple.firstNameOf({ b }, 's', key), simple.firstNameOf({}, 's', key)];
      expect(new Set(names).size).toBe(3);
    }),
    { numRuns: 1_000 },
  );
});
