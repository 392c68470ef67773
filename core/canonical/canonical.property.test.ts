import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type JsonObject, type JsonValue, parseExact } from '../json.ts';
import { canonicalText, checksumOf, compileCanonical, sortByCodePoint } from './canonical.ts';

const name = fc.string({ unit: 'binary', maxLength: 4 }).filter((text) => text !== '__proto__');
const value = fc
  .jsonValue({ stringUnit: 'binary', maxDepth: 3 })
  .map((json) => parseExact(JSON.stringify(json).replaceAll('__proto__', 'proto')));
const record: fc.Arbitrary<JsonObject> = fc.dictionary(name, value, { maxKeys: 8, noNullPrototype: true });

/** Written apart from the code under test, with nothing in common but the definition. */
function reference(json: JsonValue): string {
  if (typeof json === 'string') return JSON.stringify(json.normalize('NFC'));
  if (Array.isArray(json)) return `[${json.map(reference).join(',')}]`;
  if (typeof json !== 'object' || json === null) return JSON.stringify(json);
  const entries = Object.entries(json as JsonObject).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return `{${entries.map(([field, inner]) => `${JSON.stringify(field)}:${reference(inner)}`).join(',')}}`;
}

test('the text is the one the definition gives', () => {
  fc.assert(
    fc.property(record, (json) => {
      expect(canonicalText(json)).toBe(reference(json));
    }),
  );
});

test('the order of the fields does not matter', () => {
  const shuffled = record.chain((json) =>
    fc.tuple(fc.constant(json), fc.shuffledSubarray(Object.keys(json), { minLength: Object.keys(json).length })),
  );
  fc.assert(
    fc.property(shuffled, ([json, order]) => {
      const reordered = Object.fromEntries(order.map((field) => [field, json[field]!]));
      expect(checksumOf(reordered)).toBe(checksumOf(json));
    }),
  );
});

test('a compiled writer gives the text of canonicalText, whatever other fields it knows', () => {
  fc.assert(
    fc.property(record, fc.array(name), (json, others) => {
      const write = compileCanonical([...others, ...Object.keys(json)]);
      expect(write(json)).toBe(canonicalText(json));
    }),
  );
});

test('canonical text is JSON for the same value, and canonical itself', () => {
  fc.assert(
    fc.property(record, (json) => {
      expect(canonicalText(parseExact(canonicalText(json)))).toBe(canonicalText(json));
    }),
  );
});

test('text composed or decomposed has one checksum, different text another', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (left, right) => {
      expect(checksumOf({ text: left.normalize('NFD') })).toBe(checksumOf({ text: left.normalize('NFC') }));
      expect(checksumOf(left) === checksumOf(right)).toBe(left.normalize('NFC') === right.normalize('NFC'));
    }),
  );
});

test('the order of names is that of their UTF-8 bytes', () => {
  fc.assert(
    fc.property(fc.uniqueArray(name), (names) => {
      const byBytes = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(sortByCodePoint(names)).toEqual(byBytes);
    }),
  );
});
