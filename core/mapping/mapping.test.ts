// biome-ignore-all lint/suspicious/noThenProperty: the language reads when … then … else; no rule is awaited.
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../json.ts';
import { parseExact, stringifyExact } from '../json.ts';
import { compileMapping, mappingSchema } from './mapping.ts';

/** Maps one field `out` by the rule. */
function out(rule: unknown, record: JsonObject): unknown {
  return compileMapping(mappingSchema.parse({ fields: { out: rule } })).map(record).out;
}

/** The outcome of the steps on a value, in JSON so that exact numbers show their digits. */
function steps(list: unknown[], value: string): string {
  const record = parseExact(`{"value":${value}}`) as JsonObject;
  return stringifyExact(out({ from: 'value', do: list }, record) as never);
}

describe('origins', () => {
  const record: JsonObject = { a: 1, b: { c: 'x', list: [{ d: 1 }, { d: 2 }, {}] }, 'odd.name': true, nothing: null, empty: '' };

  test.each([
    ['a', 1],
    ['b.c', 'x'],
    ['$.b.c', 'x'],
    ['b.list[0].d', 1],
    ['b.list[-2].d', 2],
    ['b.list[*].d', [1, 2]],
    ['["odd.name"]', true],
    ["['odd.name']", true],
    ['b["c"]', 'x'],
    ['missing', undefined],
    ['b.missing.deeper', undefined],
    ['a.b', undefined],
    ['toString', undefined],
    ['b.constructor', undefined],
    ['nothing', null],
  ])('the path %s finds its value', (path, value) => expect(out(path, record)).toEqual(value));

  test('a constant, a template and a concat need no path of their own', () => {
    expect(out({ constant: { list: [1, null] } }, record)).toEqual({ list: [1, null] });
    expect(out({ template: '{a}-{b.c}/{missing}{nothing}{{x}}' }, record)).toBe('1-x/{x}');
    expect(out({ concat: { fields: ['a', 'missing', 'empty', 'b.c'], separator: ', ' } }, record)).toBe('1, x');
  });

  test('the first that is there wins', () => {
    expect(out({ first: ['missing', 'nothing', 'empty', 'b.c', 'a'] }, record)).toBe('x');
    expect(out({ first: ['missing', 'nothing'] }, record)).toBeUndefined();
  });

  test('an object is built by rules of its own', () => {
    expect(out({ object: { x: 'b.c', y: { from: 'a', do: [{ add: 1 }] }, z: 'missing' } }, record)).toEqual({ x: 'x', y: 2 });
  });

  test('a default stands in for absent and null, not for empty text', () => {
    expect(out({ from: 'missing', default: 0 }, record)).toBe(0);
    expect(out({ from: 'nothing', default: 'none' }, record)).toBe('none');
    expect(out({ from: 'empty', default: 'none' }, record)).toBe('');
  });

  test('a required field that is absent or null is an error', () => {
    expect(() => out({ from: 'nothing', required: true }, record)).toThrow(expect.objectContaining({ code: 'mapping.failed' }));
    expect(out({ from: 'a', required: true }, record)).toBe(1);
  });
});

describe('conditions', () => {
  const record: JsonObject = { stock: 3, state: 'A', nothing: null, empty: '', list: [], price: '19.90' };
  const holds = (when: unknown) => out({ when, then: { constant: true }, else: { constant: false } }, record);

  test.each([
    [{ field: 'stock', equals: 3 }, true],
    [{ field: 'stock', equals: '3' }, false],
    [{ field: 'state', in: ['B', 'A'] }, true],
    [{ field: 'state', matches: '^[A-C]$' }, true],
    [{ field: 'missing', matches: '.*' }, false],
    [{ field: 'nothing', exists: true }, true],
    [{ field: 'missing', exists: false }, true],
    [{ field: 'nothing', empty: true }, true],
    [{ field: 'list', empty: true }, true],
    [{ field: 'state', empty: false }, true],
    [{ field: 'stock', above: 2, below: 4 }, true],
    [{ field: 'price', atLeast: '19.9', atMost: 19.9 }, true],
    [{ field: 'state', above: 0 }, false],
    [
      {
        all: [
          { field: 'stock', above: 0 },
          { field: 'state', equals: 'B' },
        ],
      },
      false,
    ],
    [
      {
        any: [
          { field: 'stock', above: 10 },
          { field: 'state', equals: 'A' },
        ],
      },
      true,
    ],
    [{ not: { field: 'state', equals: 'A' } }, false],
    [{ field: 'stock', above: 0, not: { field: 'state', equals: 'B' } }, true],
  ])('%j is %s', (when, expected) => expect(holds(when)).toBe(expected));

  test('without else the field is absent', () => {
    expect(out({ when: { field: 'stock', above: 9 }, then: 'stock' }, record)).toBeUndefined();
  });
});

describe('steps', () => {
  test.each([
    [['trim'], '" \\u0000\\ta b\\u00a0\\n"', '"a b"'],
    [[{ trim: 'start' }], '"  a "', '"a "'],
    [[{ trim: 'end' }], '"  a "', '"  a"'],
    [[{ trim: 'collapse' }], '"  a \\n\\t b "', '"a b"'],
    [[{ trim: 'control' }], '"a\\u0000b\\nc\\ud800\\u0085"', '"ab\\nc"'],
    [['lower'], '"ÁÉ"', '"áé"'],
    [['upper'], '"straße"', '"STRASSE"'],
    [['title'], '"john o\'neil DE la cruz"', '"John O\'neil De La Cruz"'],
    [['trim', 'upper'], '" a "', '"A"'],
    [[{ cast: 'string' }], '9007199254740993', '"9007199254740993"'],
    [[{ cast: 'string' }], '1e21', '"1e+21"'],
    [[{ cast: 'string' }], '{"a":[1]}', '"{\\"a\\":[1]}"'],
    [[{ cast: 'integer' }], '" 9007199254740993 "', '9007199254740993'],
    [[{ cast: 'integer' }], '"3.0"', '3'],
    [[{ cast: 'integer' }], 'true', '1'],
    [[{ cast: 'decimal' }], '"0.1000000000000000055511151231257827"', '0.1000000000000000055511151231257827'],
    [[{ cast: 'number' }], '"0.1000000000000000055511151231257827"', '0.1'],
    [[{ cast: 'boolean' }], '"Yes"', 'true'],
    [[{ cast: 'boolean' }], '0', 'false'],
    [[{ cast: 'json' }, { path: 'a[1]' }], '"{\\"a\\":[1,9007199254740993]}"', '9007199254740993'],
    [[{ parseNumber: { decimal: ',', group: '.' } }], '"1.234.567,50"', '1234567.5'],
    [[{ parseNumber: { decimal: ',', group: ' ' } }], '"-1\\u202f234,5"', '-1234.5'],
    [[{ parseNumber: {} }], '12.5', '12.5'],
    [[{ formatNumber: { scale: 2, decimal: ',', group: '.' } }], '-1234567.005', '"-1.234.567,01"'],
    [[{ formatNumber: { scale: 0 } }], '"2.5"', '"3"'],
    [[{ round: 2 }], '1.005', '1.01'],
    [[{ round: { scale: 0, rounding: 'half-even' } }], '2.5', '2'],
    [[{ add: 0.2 }], '0.1', '0.3'],
    [[{ add: 1 }], '9007199254740993', '9007199254740994'],
    [[{ subtract: '0.1' }], '0.3', '0.2'],
    [[{ multiply: 1.1 }], '1.1', '1.21'],
    [[{ divide: 100 }], '1999', '19.99'],
    [[{ divide: { by: 3, scale: 4 } }], '2', '0.6667'],
    [[{ split: ',' }], '"a,b,,c"', '["a","b","","c"]'],
    [[{ split: { by: ' ', take: -1 } }], '"a b c"', '"c"'],
    [[{ split: { by: ' ', take: 5 } }, { default: 'none' }, 'upper'], '"a b"', '"NONE"'],
    [[{ join: '+' }], '["a",1,null,"b"]', '"a+1+b"'],
    [[{ replace: { text: '.', with: '$&' } }], '"a.b.c"', '"a$&b$&c"'],
    [[{ lookup: { table: { A: 'active', '1': 'one' } } }], '1', '"one"'],
    [[{ lookup: { table: { A: 'active' }, missing: 'keep' } }], '"toString"', '"toString"'],
    [[{ lookup: { table: { A: 'active' }, missing: 'null' } }], '"B"', 'null'],
    [[{ lookup: { table: { A: 'active' }, default: 'other' } }], '"B"', '"other"'],
    [[{ nullIf: ['', 0] }, { default: 'none' }], '0', '"none"'],
    [[{ each: { q: { from: 'qty', do: [{ cast: 'integer' }] } } }], '[{"qty":"1"},{"qty":"2"}]', '[{"q":1},{"q":2}]'],
  ])('%j turns %s into %s', (list, value, expected) => expect(steps(list, value)).toBe(expected));

  test('arithmetic reads other fields of the source record', () => {
    expect(out({ from: 'price', do: [{ multiply: { from: 'quantity' } }] }, { price: '39.95', quantity: 2 })).toBe(79.9);
  });

  test('null passes every step', () => {
    expect(steps(['trim', { cast: 'integer' }, { parseDate: 'iso' }, { lookup: { table: {} } }], 'null')).toBe('null');
  });
});

describe('errors', () => {
  const failure = (rule: unknown, record: JsonObject) => {
    try {
      out(rule, record);
    } catch (error) {
      return error;
    }
    throw new Error('nothing was thrown');
  };

  test('a failed rule names field, rule and value', () => {
    expect(failure({ from: 'price', do: ['trim', { parseNumber: {} }] }, { price: ' 1,5 ' })).toMatchObject({
      code: 'mapping.failed',
      message: 'mapping of "out", rule "parseNumber": "1,5" is no number written with "."',
      details: { field: 'out', rule: 'parseNumber', value: '"1,5"' },
    });
  });

  test('a failed rule inside a list names the inner field', () => {
    const rule = { from: 'lines', do: [{ each: { quantity: { from: 'q', do: [{ cast: 'integer' }] } } }] };
    expect(failure(rule, { lines: [{ q: 'many' }] })).toMatchObject({
      details: { field: 'out.quantity', rule: 'cast', value: '"many"' },
    });
  });

  test('a large value is shown by its beginning only', () => {
    const error = failure({ from: 'a', do: [{ cast: 'integer' }] }, { a: 'x'.repeat(100_000) }) as { details: { value: string } };
    expect(error.details.value.length).toBeLessThan(200);
  });

  test.each([
    [{ cast: 'integer' }, '3.5'],
    [{ cast: 'integer' }, ''],
    [{ cast: 'boolean' }, 'perhaps'],
    [{ cast: 'json' }, '{'],
    [{ cast: 'json' }, '['.repeat(40) + ']'.repeat(40)],
    [{ cast: 'datetime' }, '2026-01-01T00:00:00'],
    [{ cast: 'date' }, '2026-02-30'],
    [{ lookup: { table: { A: 1 } } }, 'B'],
    [{ parseNumber: { decimal: ',', group: '.' } }, '1.5'],
    [{ parseNumber: { decimal: ',', group: '.' } }, '1,5,5'],
    [{ divide: { by: { from: 'zero' }, scale: 2 } }, '1'],
    [{ add: { from: 'missing' } }, '1'],
    [{ multiply: '9'.repeat(999) }, '9'.repeat(999)],
    [{ join: ',' }, 'a'],
    [{ each: { a: 'b' } }, 'a'],
  ])('%j does not take every value', (step, value) => {
    expect(failure({ from: 'value', do: [step] }, { value, zero: 0 })).toMatchObject({
      code: 'mapping.failed',
      details: { field: 'out' },
    });
  });

  test.each([
    [{ from: 'a..b' }, 'from'],
    [{ from: 'a[x]' }, 'from'],
    [{ from: 'a', constant: 1 }, 'from'],
    [{ do: ['trim'] }, 'do'],
    [{ template: 'a {b' }, 'template'],
    [{ when: { field: 'a' }, then: 'a' }, 'when'],
    [{ when: { equals: 1 }, then: 'a' }, 'when'],
    [{ when: { field: 'a', matches: '(a' }, then: 'a' }, 'when'],
    [{ from: 'a', do: [{ divide: 3 }] }, 'divide'],
    [{ from: 'a', do: [{ divide: 0 }] }, 'divide'],
    [{ from: 'a', do: [{ parseDate: { pattern: 'dd/MM/yyyy', zone: 'Europe/Atlantis' } }] }, 'parseDate'],
    [{ from: 'a', do: [{ parseDate: 'HH:mm' }] }, 'parseDate'],
    [{ from: 'a', do: [{ parseDate: 'dd/MM/yyyy QQ' }] }, 'parseDate'],
    [{ from: 'a', do: [{ parseNumber: { decimal: ',', group: ',' } }] }, 'parseNumber'],
    [{ from: 'a', do: [{ each: { b: { from: '[' } } }] }, 'from'],
  ])('%j is refused before the first record, naming field and rule', (rule, name) => {
    const compile = () => compileMapping(mappingSchema.parse({ fields: { out: rule } }));
    expect(compile).toThrow(
      expect.objectContaining({ code: 'mapping.invalid-rule', details: expect.objectContaining({ rule: name }) }),
    );
    expect(compile).toThrow(/mapping of "out/);
  });

  test.each([
    { fields: { a: { form: 'b' } } },
    { fields: { a: { from: 'b', do: [{ trim: 'both', round: 2 }] } } },
    { fields: { a: { from: 'b', do: ['trimm'] } } },
    { keep: 'some' },
  ])('the schema refuses %j', (rules) => expect(mappingSchema.safeParse(rules).success).toBe(false));

  test.each([
    [{ from: 'b', do: ['trimm'] }, 'fields.a: do.0: there is no step "trimm"'],
    [{ from: 'b', do: [{ round: -1 }] }, 'fields.a.do.0.round: Too small'],
    [{ from: 'b', do: [{ cats: 'integer' }] }, 'fields.a.do.0: Unrecognized key: "cats"'],
    [{ from: 'b', do: [{ trim: 'both', round: 2 }] }, 'fields.a.do.0: a step has exactly one name'],
  ])('the schema says what is wrong in %j, and where', (rule, said) => {
    const issue = mappingSchema.safeParse({ fields: { a: rule } }).error!.issues[0]!;
    expect(`${issue.path.join('.')}: ${issue.message}`).toContain(said);
  });

  test('nothing is mapped to __proto__', () => {
    const rules = mappingSchema.parse(JSON.parse('{"fields":{"__proto__":"a","b":"c"}}'));
    expect(Object.getOwnPropertyNames(rules.fields)).toEqual(['b']);
  });
});

describe('whole records', () => {
  test('without rules a record passes as it is', () => {
    const mapping = compileMapping(undefined);
    expect(mapping.fields).toBeUndefined();
    expect(mapping.map({ a: 1 })).toEqual({ a: 1 });
  });

  test('mapped fields alone go on, and are known and sorted', () => {
    const mapping = compileMapping(mappingSchema.parse({ fields: { z: 'a', b: 'c', absent: 'd' } }));
    expect(mapping.fields).toEqual(['absent', 'b', 'z']);
    expect(mapping.map({ a: 1, c: 2, other: 3 })).toEqual({ b: 2, z: 1 });
  });

  test('keep: all passes the others, renames what a rule takes, drops what is listed', () => {
    const rules = {
      keep: 'all',
      fields: { sku: 'SKU', total: { from: 'price', do: [{ add: 1 }] }, city: 'address.city' },
      drop: ['secret'],
    };
    const mapping = compileMapping(mappingSchema.parse(rules));
    expect(mapping.fields).toBeUndefined();
    expect(mapping.map({ SKU: 'A', price: 1, secret: 'x', address: { city: 'Vigo' }, note: null })).toEqual({
      sku: 'A',
      total: 2,
      city: 'Vigo',
      address: { city: 'Vigo' },
      note: null,
    });
  });

  test('a target whose source is absent does not keep a source field of its own name', () => {
    const mapping = compileMapping(mappingSchema.parse({ keep: 'all', fields: { a: 'b' } }));
    expect(mapping.map({ a: 1 })).toEqual({});
  });

  test('drop without keep: all, and a mapping of nothing, are mistakes', () => {
    expect(() => compileMapping(mappingSchema.parse({ fields: { a: 'b' }, drop: ['c'] }))).toThrow(/keep: all/);
    expect(() => compileMapping(mappingSchema.parse({}))).toThrow(/no field is mapped/);
  });

  test('the id changes with the rules and with nothing else', () => {
    const id = (rules: unknown) => compileMapping(mappingSchema.parse(rules)).id;
    expect(id({ fields: { a: 'b', c: 'd' } })).toBe(id({ keep: 'mapped', fields: { c: 'd', a: 'b' } }));
    expect(id({ fields: { a: 'b' } })).not.toBe(id({ fields: { a: 'c' } }));
    expect(id({ fields: { a: { from: 'b', do: ['trim', 'lower'] } } })).not.toBe(
      id({ fields: { a: { from: 'b', do: ['lower', 'trim'] } } }),
    );
  });
});
