import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compilePattern, matchedTextLengthMax } from './pattern.ts';

/** Patterns of the language, none of which ECMAScript reads otherwise. */
const pattern: fc.Arbitrary<string> = fc.letrec<{ pattern: string; item: string }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      'a',
      'b',
      'c',
      '.',
      '\\d',
      '\\w',
      '\\s',
      '\\S',
      '[ab]',
      '[^a]',
      '[a-c1-3]',
      '[\\d-]',
      '\\.',
      '\\\\',
      '^',
      '$',
      ' ',
      '-',
      'é',
      '😀',
    ),
    tie('pattern').map((inner) => `(${inner})`),
    fc
      .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{1,}', '{0,2}'))
      .map(([inner, times]) => `(?:${inner})${times}`),
  ),
  pattern: fc.oneof(
    fc.array(tie('item'), { maxLength: 4 }).map((items) => items.join('')),
    fc.tuple(tie('item'), tie('item')).map((options) => options.join('|')),
  ),
})).pattern;
const text = fc
  .array(fc.constantFrom('a', 'b', 'c', '1', '3', ' ', '.', '-', '\\', '\n', 'é', '😀'), { maxLength: 8 })
  .map((all) => all.join(''));

test('a pattern is found where ECMAScript finds it', () => {
  fc.assert(
    fc.property(pattern, text, (syntax, input) => {
      expect(compilePattern(syntax)(input)).toBe(new RegExp(syntax, 'u').test(input));
    }),
    { numRuns: 2_000 },
  );
});

test.each(['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '(.*)*(.*)*(.*)*x', '^(([a-z])+.)+[A-Z]([a-z])+$'])(
  'the pattern %s, which hangs a backtracking engine, answers',
  (syntax) => {
    expect(compilePattern(syntax)(`${'a'.repeat(5_000)}!`)).toBe(false);
  },
);

test('text beyond the bound is refused, not matched', () => {
  expect(() => compilePattern('a')('b'.repeat(matchedTextLengthMax + 1))).toThrow(/not matched/);
});

test.each([
  '(?=a)',
  '(?<n>a)',
  '\\1',
  '\\b',
  'a**',
  '*',
  '(a',
  'a)',
  '[a',
  '[b-a]',
  'a{',
  'a{3,1}',
  'a{999}',
  '\\',
  '((((a{200}){200}){200}){200})',
  '('.repeat(50),
])('the pattern %s is refused with the reason', (syntax) => expect(() => compilePattern(syntax)).toThrow(/the pattern/));
