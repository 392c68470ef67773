import { expect, test } from 'vitest';
import { configSchema } from './config.ts';

const sources = {
  shop: { connector: 'http', entities: { products: { mapping: { fields: { sku: 'a', price: 'b' } } }, orders: {} } },
  erp: { connector: 'http', entities: { products: { mapping: { fields: { sku: 'a', cost: 'b' } } } } },
  crm: { connector: 'http', entities: { customers: { compare: { ignore: ['seen'] } } } },
  crm2: { connector: 'http', entities: { customers: {} } },
  till: { connector: 'http', entities: { products: { mapping: { fields: { other: 'a' } } } } },
};

function problemsOf(...differences: object[]): string[] {
  const { error } = configSchema.safeParse({ sources, differences });
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('a pair compares every kind both sources have, or those it names', () => {
  expect(problemsOf({ left: 'shop', right: 'erp' }, { left: 'crm', right: 'crm2', kinds: ['customers'] })).toEqual([]);
});

test.each([
  [{ left: 'shopp', right: 'erp' }, 'differences.0.left: no source is called `shopp`: did you mean `shop`?'],
  [{ left: 'shop', right: 'shop' }, 'differences.0.right: a source is not compared with itself: name two'],
  [{ left: 'shop', right: 'crm' }, 'differences.0: the sources `shop` and `crm` have no kind in common'],
  [
    { left: 'shop', right: 'erp', kinds: ['product'] },
    'differences.0.kinds.0: the source `shop` has no kind `product`: did you mean `products`?',
  ],
  [
    { left: 'shop', right: 'erp', kinds: ['orders'] },
    'differences.0.kinds.0: the source `erp` has no kind `orders`; there are products',
  ],
  [{ left: 'shop', right: 'till' }, 'differences.0: for the kind `products`: the two sources have no field in common to compare'],
  [
    { left: 'shop', right: 'erp', compare: { fields: ['price'] } },
    'differences.0.compare: for the kind `products`: `price` is not a field that both sources have and count as a change',
  ],
  [
    { left: 'crm', right: 'crm2', compare: { fields: ['seen'] } },
    'differences.0.compare: for the kind `customers`: `seen` is not a field that both sources have and count as a change',
  ],
])('%j is refused with the place and what to do', (pair, problem) => {
  expect(problemsOf(pair)[0]).toBe(problem);
});

test('two sources are compared once a kind, whichever stands left', () => {
  expect(problemsOf({ left: 'shop', right: 'erp' }, { left: 'erp', right: 'shop' })).toEqual([
    'differences.1: `erp` and `shop` are compared twice for the kind `products`',
  ]);
});

test.each([[null], [true], ['text'], [{}], [[null]], [[{}]], [[{ left: 'shop' }]], [[{ left: 1, right: 'erp', kinds: 'x' }]]])(
  'pairs written as %j, over any sources, are refused and never a failure of ours',
  (differences) => {
    for (const written of [sources, null, 'text', [], { shop: null, erp: { entities: { products: null } } }]) {
      expect(configSchema.safeParse({ sources: written, differences }).success).toBe(false);
      expect(configSchema.safeParse({ sources: written, differences: [{ left: 'shop', right: 'erp' }] }).success).toBe(
        written === sources,
      );
    }
  },
);
