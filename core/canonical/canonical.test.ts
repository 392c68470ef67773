import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type JsonObject, parseExact } from '../json.ts';
import { canonicalText, checksumOf, checksumOfText, compileCanonical, sortByCodePoint } from './canonical.ts';
import { canonicalInstant } from './instant.ts';

interface Vectors {
  readonly values: readonly {
    readonly name: string;
    readonly json: string;
    readonly canonical: string;
    readonly checksum: string;
  }[];
  readonly instants: readonly { readonly text: string; readonly instant: string | null }[];
}

const vectors = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8')) as Vectors;

test.each(vectors.values)('the vector "$name" has its text and checksum', ({ json, canonical, checksum }) => {
  const value = parseExact(json);
  expect(canonicalText(value)).toBe(canonical);
  expect(checksumOf(value)).toBe(checksum);
});

test.each(vectors.instants)('the date-time "$text" has its canonical form', ({ text, instant }) => {
  expect(canonicalInstant(text) ?? null).toBe(instant);
});

test('a checksum is the SHA-256 of the canonical text', () => {
  expect(checksumOfText('{}')).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
});

test('a compiled writer takes inherited names for absent', () => {
  expect(compileCanonical(['toString', 'a', 'constructor'])({ a: 1 })).toBe('{"a":1}');
});

test('records of other shapes in between do not confuse the kept writers', () => {
  const shapes: JsonObject[] = [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
    { a: 1, c: 2 },
    { aa: 1 },
    { ab: 1 },
    { a: 1, b: 2, z: { b: 1, a: 2 } },
  ];
  const texts = shapes.map(canonicalText);
  expect(shapes.map(canonicalText)).toEqual(texts);
  expect(texts.slice(0, 3)).toEqual(['{"a":1,"b":2}', '{"a":1,"b":2}', '{"a":1,"c":2}']);
});

test('names are sorted by code point and listed once', () => {
  expect(sortByCodePoint(['\u{1f600}', '\uffff', 'b', 'a', 'b', '\ud7ff'])).toEqual(['a', 'b', '\ud7ff', '\uffff', '\u{1f600}']);
});

test('NaN is an error of ours, not a value', () => {
  expect(() => canonicalText(Number.NaN)).toThrow(/NaN/);
});
