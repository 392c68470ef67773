import { expect, test } from 'vitest';
import type { z } from 'zod';
import { type JsonValue, parseExact } from '../json.ts';
import { type FieldType, recordFieldsSchema } from './record-fields.ts';
import { compileRecordSchema } from './record-schema.ts';

function checkOf(input: z.input<typeof recordFieldsSchema>) {
  const { check } = compileRecordSchema(recordFieldsSchema.parse(input));
  return (json: string | JsonValue) => check(typeof json === 'string' ? parseExact(json) : json);
}

const user = checkOf({
  fields: {
    name: { type: 'string', required: true, minLength: 1, maxLength: 10 },
    email: { type: 'email', required: true },
    age: { type: 'integer', min: 0, max: 150 },
  },
  additionalFields: 'refuse',
});

test('a record that fits has no errors, and an optional field may be null', () => {
  expect(user({ name: 'Ada', email: 'ada@example.com', age: null })).toEqual([]);
});

test('every field at fault is reported at once', () => {
  expect(user({ name: '', email: 'nobody', age: 1.5, emial: 'x' })).toEqual([
    { field: 'name', code: 'too_small', message: 'must have at least 1 characters' },
    { field: 'email', code: 'invalid_format', message: 'must be an email address' },
    { field: 'age', code: 'custom', message: 'must be a whole number' },
    { field: 'emial', code: 'unknown_field', message: 'is not a known field: did you mean `email`?' },
  ]);
});

test('a required field that is absent or null is named as required', () => {
  expect(user({ email: null })).toEqual([
    { field: 'name', code: 'required', message: 'is required' },
    { field: 'email', code: 'required', message: 'is required' },
  ]);
});

test.each(['[]', '"text"', '12345678901234567890', 'null', '7'])('%s is not a record', (json) => {
  expect(user(json)).toEqual([{ field: '', code: 'invalid_type', message: 'the record must be an object' }]);
});

test.each<[FieldType, readonly string[], readonly string[]]>([
  [
    'integer',
    ['1', '-7', '9007199254740993', '123456789012345678901234567890'],
    ['1.5', '"1"', 'true', '12345678901234567.5', '[]'],
  ],
  ['number', ['1', '1.5', '12345678901234567.5', '1e400'], ['"1"', 'false', '{}']],
  ['decimal', ['1', '1.5', '"12.50"', '"-0.1"', '12345678901234567.55'], ['"1,5"', '""', '"1e5"', 'true', '".5"']],
  ['boolean', ['true', 'false'], ['"true"', '0']],
  ['date', ['"2024-02-29"', '"9999-12-31"'], ['"2023-02-29"', '"2024-2-9"', '20240209']],
  [
    'datetime',
    ['"2024-02-29T10:00:00Z"', '"2024-02-29T10:00:00.123456+02:00"'],
    ['"2024-02-29T10:00:00"', '"2023-02-29T10:00:00Z"', '5'],
  ],
  ['email', ['"a@b.co"'], ['"a@b"', '"@b.co"', '1']],
  ['object', ['{}', '{"a":1}'], ['[]', '1', '12345678901234567890']],
  ['array', ['[]', '[1,"a"]'], ['{}', '"[]"']],
  ['any', ['1', '"a"', '[]', '{}', 'false'], []],
])('a field of type %s takes what it should and nothing else', (type, fitting, wrong) => {
  const check = checkOf({ fields: { field: { type: type, required: true } } });
  for (const json of fitting) expect(check(`{"field":${json}}`), json).toEqual([]);
  for (const json of [...wrong, 'null']) expect(check(`{"field":${json}}`), json).toHaveLength(1);
  expect(check('{}')).toEqual([{ field: 'field', code: 'required', message: 'is required' }]);
});

test('bounds, patterns and enumerations are checked', () => {
  const check = checkOf({
    fields: {
      price: { type: 'decimal', min: 0, max: 100 },
      sku: { type: 'string', pattern: '^[A-Z]+-\\d+$' },
      state: { type: 'string', enum: ['open', 'paid'] },
      size: { type: 'integer', enum: [36, 38] },
    },
  });
  expect(check({ price: '99.99', sku: 'SKU-1', state: 'paid', size: 38 })).toEqual([]);
  expect(check({ price: '-0.01', sku: 'sku', state: 'gone', size: 37 })).toEqual([
    { field: 'price', code: 'too_small', message: 'must be at least 0' },
    { field: 'sku', code: 'invalid_format', message: 'must match ^[A-Z]+-\\d+$' },
    { field: 'state', code: 'custom', message: 'must be one of open, paid' },
    { field: 'size', code: 'custom', message: 'must be one of 36, 38' },
  ]);
});

test('fields of objects and items of arrays are named by their place', () => {
  const check = checkOf({
    fields: {
      address: { type: 'object', fields: { city: { type: 'string', required: true } } },
      lines: {
        type: 'array',
        minLength: 1,
        items: { type: 'object', fields: { sku: { type: 'string', required: true }, quantity: { type: 'integer', min: 1 } } },
      },
    },
  });
  expect(check({ address: {}, lines: [{ sku: 'A', quantity: 1 }, { quantity: 0 }] })).toEqual([
    { field: 'address.city', code: 'required', message: 'is required' },
    { field: 'lines[1].sku', code: 'required', message: 'is required' },
    { field: 'lines[1].quantity', code: 'too_small', message: 'must be at least 1' },
  ]);
});

test('fields that are not declared pass where additional fields are allowed', () => {
  expect(checkOf({ fields: {} })('{"free":{"as":["air", 12345678901234567890]}}')).toEqual([]);
});

test('a JSON Schema of what is checked can be generated', () => {
  const { jsonSchema } = compileRecordSchema({
    fields: {
      email: { type: 'email', required: true },
      amount: { type: 'decimal' },
      count: { type: 'integer', required: true, min: 1 },
      state: { type: 'string', required: true, enum: ['open', 'paid'] },
    },
    additionalFields: 'refuse',
  });
  expect(jsonSchema).toMatchObject({
    type: 'object',
    required: ['email', 'count', 'state'],
    additionalProperties: false,
    properties: {
      email: { type: 'string', format: 'email' },
      amount: { anyOf: [{ type: ['number', 'string'], format: 'decimal' }, { type: 'null' }] },
      count: { type: 'integer', minimum: 1 },
      state: { type: 'string', enum: ['open', 'paid'] },
    },
  });
});

test('a bound that means nothing for its type is refused', () => {
  const result = recordFieldsSchema.safeParse({
    fields: { a: { type: 'boolean', min: 1 }, b: { type: 'string', pattern: '(' } },
  });
  expect(result.error?.issues.map(({ path, message }) => [path.join('.'), message])).toEqual([
    ['fields.a.min', '`min` means nothing for a field of type boolean'],
    ['fields.b.pattern', 'not a regular expression'],
  ]);
});
