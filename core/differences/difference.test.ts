import { describe, expect, test } from 'vitest';
import { checksumOf } from '../canonical/canonical.ts';
import type { EntityId } from '../change-event.ts';
import { parseConfig } from '../config/config.ts';
import type { JsonObject } from '../json.ts';
import { type ComparedRow, differenceChanges, differenceOf } from './difference.ts';
import { compileDifferencePairs } from './difference-pair.ts';

const sources = {
  left: { connector: 'http', entities: { products: {} } },
  right: { connector: 'http', entities: { products: {} } },
};

function pairOf(more: object = {}, of: object = sources) {
  const config = parseConfig({ sources: of, differences: [{ left: 'left', right: 'right', ...more }] } as never);
  return compileDifferencePairs(config).get('products')![0]!;
}

function row(sourceType: 'LEFT' | 'RIGHT', data: JsonObject | null): ComparedRow {
  const entityId = 'products:1' as EntityId;
  return { entityId, sourceType, deleted: data === null, data, checksum: data === null ? null : checksumOf(data) };
}

describe('what differs', () => {
  test('each field that differs is told with what each side has; a side without the field is left out', () => {
    const found = differenceOf(
      pairOf(),
      row('LEFT', { same: 1, price: 10, note: null }),
      row('RIGHT', { same: 1, price: 12, stock: 3 }),
    );
    expect(found).toMatchObject({ kind: 'differs', entityId: 'products:1', entityKind: 'products', leftSource: 'LEFT' });
    expect(found?.fields).toEqual({ note: { left: null }, price: { left: 10, right: 12 }, stock: { right: 3 } });
  });

  test('a deleted record is one that is not there', () => {
    const [left, right, gone] = [row('LEFT', { a: 1 }), row('RIGHT', { a: 1 }), row('RIGHT', null)];
    expect(differenceOf(pairOf(), left, gone)).toMatchObject({ kind: 'only_left', fields: {} });
    expect(differenceOf(pairOf(), undefined, right)).toMatchObject({ kind: 'only_right', fields: {} });
    expect(differenceOf(pairOf(), row('LEFT', null), gone)).toBeNull();
  });

  test('an entity that one source alone has is compared without its data', () => {
    const { data: _data, ...head } = row('LEFT', { a: 1 });
    expect(differenceChanges([pairOf()], [], [head]).upserts).toMatchObject([{ kind: 'only_left' }]);
  });

  test('what did not move is not looked at again', () => {
    const pair = pairOf();
    const never = { ...pair, comparison: { ...pair.comparison, diff: () => expect.unreachable('compared') } };
    const rows = [row('LEFT', { a: 1 }), row('RIGHT', { a: 2 })];
    const again = [{ ...rows[0]! }, { ...rows[1]! }];
    expect(differenceChanges([never], rows, again)).toEqual({ upserts: [], removals: [] });
  });
});

describe('which fields count', () => {
  const withRules = (left: object, right: object) => ({
    left: { connector: 'http', entities: { products: left } },
    right: { connector: 'http', entities: { products: right } },
  });

  test('only fields both sources can have are compared', () => {
    const pair = pairOf(
      {},
      withRules(
        { mapping: { fields: { sku: 'SKU', price: 'P', note: 'N' } } },
        { mapping: { fields: { sku: 'id', price: 'p' } } },
      ),
    );
    expect(differenceOf(pair, row('LEFT', { sku: 1, price: 2, note: 'x' }), row('RIGHT', { sku: 1, price: 2 }))).toBeNull();
  });

  test('a field one source’s own rules do not count is not compared: what is stored of it may be old', () => {
    const pair = pairOf({}, withRules({ compare: { ignore: ['seen'] } }, {}));
    expect(differenceOf(pair, row('LEFT', { seen: 1, a: 1 }), row('RIGHT', { seen: 2, a: 1 }))).toBeNull();
    expect(differenceOf(pair, row('LEFT', { seen: 1, a: 1 }), row('RIGHT', { seen: 2, a: 2 }))?.fields).toEqual({
      a: { left: 1, right: 2 },
    });
  });

  test('nor is it where the mappings list the fields', () => {
    const mapping = { fields: { seen: 'S', a: 'A' } };
    const pair = pairOf({}, withRules({ mapping, compare: { ignore: ['seen'] } }, { mapping }));
    expect(differenceOf(pair, row('LEFT', { seen: 1, a: 1 }), row('RIGHT', { seen: 2, a: 1 }))).toBeNull();
  });

  test('rules of the pair say what is the same', () => {
    const pair = pairOf({ compare: { numbers: { price: 0.01 }, ignoreCase: ['name'] } });
    expect(differenceOf(pair, row('LEFT', { price: 1, name: 'A' }), row('RIGHT', { price: 1.005, name: 'a' }))).toBeNull();
  });

  test('other rules are another configuration, and the same rules the same one', () => {
    expect(pairOf().configId).toBe(pairOf().configId);
    expect(pairOf({ compare: { ignore: ['a'] } }).configId).not.toBe(pairOf().configId);
    expect(pairOf({}, withRules({ compare: { ignore: ['a'] } }, {})).configId).not.toBe(pairOf().configId);
  });
});
