import { describe, expect, test } from 'vitest';
import {
  ExactNumber,
  fieldOf,
  findUnstorableText,
  isDeeperThan,
  nestingMax,
  numberFromText,
  parseExact,
  stringifyExact,
} from './json.ts';

describe('numbers', () => {
  test.each(['9007199254740993', '-9223372036854775808', '18446744073709551615', '1e400', '-1.5e-400', '0.1000000000000000055'])(
    '%s keeps every digit on the way in and out',
    (literal) => {
      const record = parseExact(`{"id":${literal}}`) as { id: unknown };
      expect(record.id).toBeInstanceOf(ExactNumber);
      expect(numberFromText(stringifyExact(record.id as ExactNumber))).toEqual(numberFromText(literal));
    },
  );

  test.each([
    '0',
    '-12.5',
    '9007199254740991',
    '1e21',
    '100000000000000000000',
    '0.00000000000000000001',
    '1e-300',
    '1.7976931348623157e308',
  ])('%s is a double, because a double carries it', (literal) => expect(parseExact(`[${literal}]`)).toEqual([Number(literal)]));

  test('a risky number is found wherever it stands', () => {
    const exact = new ExactNumber('9007199254740993');
    expect(parseExact('9007199254740993')).toEqual(exact);
    expect(parseExact('[1,9007199254740993]')).toEqual([1, exact]);
    expect(parseExact('{"a":\n9007199254740993}')).toEqual({ a: exact });
    expect(parseExact('{"a":{"b":[ -9007199254740993 ]}}')).toEqual({ a: { b: [new ExactNumber('-9007199254740993')] } });
  });

  test('digits inside text stay text', () => {
    expect(parseExact('{"a":"x,90071992547409931234"}')).toEqual({ a: 'x,90071992547409931234' });
  });

  test('a number beyond all bounds is refused', () => {
    expect(() => parseExact('[1e1001]')).toThrow(expect.objectContaining({ code: 'record.number-out-of-range' }));
    expect(() => parseExact(`[${'9'.repeat(100_000)}]`)).toThrow(expect.objectContaining({ code: 'record.number-out-of-range' }));
    expect(() => parseExact('[1e-99999999999999999999]')).toThrow(
      expect.objectContaining({ code: 'record.number-out-of-range' }),
    );
  });
});

describe('hostile records', () => {
  test.each(['{"__proto__":{"admin":true}}', '{"a":[{"__proto__":1}]}', '{"__pr\\u006fto__":1}', '{"\\u005F_proto__":1}'])(
    'a field called __proto__ is refused: %s',
    (text) => expect(() => parseExact(text)).toThrow(expect.objectContaining({ code: 'record.malformed' })),
  );

  test('text that mentions __proto__ passes', () => {
    expect(parseExact('{"a":"__proto__"}')).toEqual({ a: '__proto__' });
  });

  test('nesting a million levels deep is refused and not followed', () => {
    const text = '['.repeat(1_000_000) + ']'.repeat(1_000_000);
    expect(() => parseExact(text)).toThrow(expect.objectContaining({ code: 'record.too-deep' }));
  });

  test('the deepest record that is allowed passes', () => {
    const text = '['.repeat(nestingMax) + ']'.repeat(nestingMax);
    expect(isDeeperThan(parseExact(text), nestingMax - 1)).toBe(true);
    expect(isDeeperThan(parseExact(text), nestingMax)).toBe(false);
    expect(() => parseExact(`[${text}]`)).toThrow(expect.objectContaining({ code: 'record.too-deep' }));
  });

  test('text that is no JSON is a SyntaxError', () => {
    expect(() => parseExact('{"a":')).toThrow(SyntaxError);
  });

  test('a record has no inherited fields', () => {
    expect(fieldOf({}, 'toString')).toBeUndefined();
    expect(fieldOf({ toString: 'own' }, 'toString')).toBe('own');
  });
});

describe('text PostgreSQL cannot store', () => {
  test('U+0000 is found in values and names', () => {
    expect(findUnstorableText(stringifyExact({ a: 'x\0y' }))).toBe('U+0000');
    expect(findUnstorableText(stringifyExact({ 'a\0': 1 }))).toBe('U+0000');
  });

  test('half a surrogate pair is found, a whole pair is not', () => {
    expect(findUnstorableText(stringifyExact({ a: 'x\ud83d' }))).toBe('lone surrogate');
    expect(findUnstorableText(stringifyExact({ a: '\ude00x' }))).toBe('lone surrogate');
    expect(findUnstorableText(stringifyExact({ a: '😀' }))).toBeUndefined();
    expect(findUnstorableText('{"a":"\\ud83d\\ude00"}')).toBeUndefined();
  });

  test('a backslash followed by the letters u0000 is no U+0000', () => {
    expect(findUnstorableText(stringifyExact({ a: '\\u0000 \\\\u0000 \\ud800' }))).toBeUndefined();
    expect(findUnstorableText(stringifyExact({ a: '\\\0' }))).toBe('U+0000');
  });

  test('other control characters are stored', () => {
    expect(findUnstorableText(stringifyExact({ a: '\u0001\u001f\t\n' }))).toBeUndefined();
  });
});
