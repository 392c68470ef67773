import { describe, expect, test } from 'vitest';
import { type JsonObject, parseExact } from '../json.ts';
import { compileIdentity, entityIdOf, identitySchema } from './identity.ts';

const identity = (rules: unknown) => compileIdentity('product', identitySchema.parse(rules));
const bySkuOrBarcode = identity([
  { fields: ['sku'], normalise: ['trim', 'upper'] },
  { fields: ['barcode'], normalise: ['digits-only'] },
]);

describe('match keys', () => {
  test('there is one for each rule whose fields are all there, in order', () => {
    expect(bySkuOrBarcode.matchKeysOf({ sku: ' sku-1 ', barcode: '84-120 ' })).toEqual(['sku=SKU-1', 'barcode=84120']);
    expect(bySkuOrBarcode.matchKeysOf({ barcode: '84120' })).toEqual(['barcode=84120']);
  });

  test.each([{ sku: '' }, { sku: '  ' }, { sku: null }, {}, { sku: [] }, { sku: { a: 1 } }, { barcode: 'none' }])(
    '%j matches nothing',
    (record) => {
      expect(bySkuOrBarcode.matchKeysOf(record as JsonObject)).toEqual([]);
    },
  );

  test('a delete that knows only its key matches nothing', () => {
    expect(bySkuOrBarcode.matchKeysOf(null)).toEqual([]);
  });

  test('one empty part of several is enough to match nothing', () => {
    const both = identity([{ fields: ['brand', 'model'] }]);
    expect(both.matchKeysOf({ brand: 'A', model: '' })).toEqual([]);
    expect(both.matchKeysOf({ brand: 'A', model: 'B' })).toEqual(['brand+model=A|B']);
  });

  test('numbers and text of the same digits match, to the last of 64 bits', () => {
    const byNumber = identity([{ name: 'n', fields: ['order.number'] }]);
    expect(byNumber.matchKeysOf({ order: { number: 1001 } })).toEqual(byNumber.matchKeysOf({ order: { number: '1001' } }));
    expect(byNumber.matchKeysOf(parseExact('{"order":{"number":9007199254740993}}') as JsonObject)).toEqual([
      'n=9007199254740993',
    ]);
    expect(byNumber.matchKeysOf({ order: { number: 0 } })).toEqual(['n=0']);
  });

  test('composed and decomposed text match', () => {
    const byName = identity([{ fields: ['name'], normalise: ['collapse', 'lower'] }]);
    expect(byName.matchKeysOf({ name: 'CAFE\u0301  Azul' })).toEqual(byName.matchKeysOf({ name: 'café azul' }));
  });
});

describe('first names', () => {
  test('an entity is named by its first match value, else by source and key', () => {
    expect(bySkuOrBarcode.firstNameOf({ sku: 'sku-1', barcode: '1' }, 'shop-eu', '77')).toBe('product:SKU-1');
    expect(bySkuOrBarcode.firstNameOf({ barcode: '84120' }, 'shop-eu', '77')).toBe('product:=barcode=84120');
    expect(bySkuOrBarcode.firstNameOf({}, 'shop-eu', '77')).toBe('product:/shop-eu/77');
    expect(bySkuOrBarcode.firstNameOf(null, 'shop-us', '77')).toBe('product:/shop-us/77');
  });

  test('a value cannot take the name of another kind of name', () => {
    expect(bySkuOrBarcode.firstNameOf({ sku: '/shop-eu/77' }, 'shop-eu', '1')).toBe('product:\\/SHOP-EU/77');
    expect(bySkuOrBarcode.firstNameOf({ sku: '=barcode=84120' }, 'shop-eu', '1')).toBe('product:\\=BARCODE=84120');
  });

  test('without match rules the name is kind and key', () => {
    expect(compileIdentity('order', undefined).firstNameOf({ a: 1 }, 'shop-eu', '77')).toBe('order:77');
    expect(identity([]).firstNameOf({ a: 1 }, 'shop-eu', '77')).toBe('product:77');
  });
});

describe('entity ids', () => {
  test('100 characters are allowed, 101 are not', () => {
    expect(entityIdOf('product', 'x'.repeat(92))).toHaveLength(100);
    expect(() => entityIdOf('product', 'x'.repeat(93))).toThrow(expect.objectContaining({ code: 'record.entity-id-too-long' }));
  });

  test('characters are counted as PostgreSQL does, not as JavaScript', () => {
    expect(() => entityIdOf('product', '😀'.repeat(92))).not.toThrow();
    expect(() => entityIdOf('product', '😀'.repeat(93))).toThrow(expect.objectContaining({ code: 'record.entity-id-too-long' }));
  });
});

test.each([
  [[{ fields: [] }]],
  [[{ fields: ['a..b'] }]],
  [[{ fields: ['a'] }, { fields: ['a'], normalise: ['lower'] }]],
  [[{ fields: ['a'], normalise: ['soundex'] }]],
])('the schema refuses %j', (rules) => expect(identitySchema.safeParse(rules).success).toBe(false));
