import { expect, test } from 'vitest';
import { ZodError } from 'zod';
import { type ConfigInput, parseConfig } from './config.ts';

const table = { table: 'products', key: 'sku' };
const sources: ConfigInput['sources'] = {
  shop: { connector: 'http', entities: { products: { key: 'sku' } } },
  crm: { connector: 'http', type: 'CUSTOMERS', entities: { products: { key: 'sku' } } },
};

function problems(targets: unknown): [string, string][] {
  try {
    parseConfig({ sources, targets: targets as ConfigInput['targets'] });
    return [];
  } catch (error) {
    if (!(error instanceof ZodError)) throw error;
    return error.issues.map(({ path, message }) => [path.join('.'), message]);
  }
}

const target = (more: object = {}) => ({
  connector: 'postgres',
  url: 'postgres://host/db',
  entities: { products: table },
  ...more,
});

test('a target gets a type of its own, and the defaults that protect it', () => {
  const { targets } = parseConfig({ sources, targets: { 'my-erp': target() } as ConfigInput['targets'] });
  expect(targets['my-erp']).toMatchObject({
    type: 'MY_ERP',
    onForeignChange: 'overwrite',
    timeoutMs: 30_000,
    guard: { changedMax: 1, deletedMax: 0.2, atLeast: 100, windowMs: 3_600_000, approveFirst: false },
    entities: { products: { key: ['sku'], deletes: 'delete' } },
  });
});

test('a system that is source and target has one type', () => {
  expect(problems({ crm: target({ type: 'CUSTOMERS' }) })).toEqual([]);
  expect(problems({ crm: target() })).toEqual([
    ['targets.crm.type', 'the source `crm` is the same system and has the type CUSTOMERS'],
  ]);
});

test('a type that another system has is refused, and one of our own', () => {
  expect(problems({ erp: target({ type: 'SHOP' }) })).toEqual([['targets.erp.type', 'the type SHOP is that of `shop`']]);
  expect(problems({ a: target({ type: 'X' }), b: target({ type: 'X' }) })).toEqual([
    ['targets.b.type', 'the type X is that of `a`'],
  ]);
  expect(problems({ erp: target({ type: 'GOLDEN' }) })).toEqual([
    ['targets.erp.type', 'GOLDEN is a type of our own: choose another'],
  ]);
});

test('a kind that no source has is refused with the one that was meant, and so is a mapping that cannot be compiled', () => {
  expect(problems({ erp: target({ entities: { product: table } }) })).toEqual([
    ['targets.erp.entities.product', 'no source has the kind `product`: did you mean `products`?'],
  ]);
  expect(
    problems({
      erp: target({ entities: { products: { ...table, mapping: { fields: { a: { from: 'b', do: [{ trim: 'x' }] } } } } } }),
    }),
  ).not.toEqual([]);
});

test('an address that is no PostgreSQL is refused', () => {
  expect(problems({ erp: target({ url: 'mysql://host/db' }) })).toEqual([['targets.erp.url', 'expected postgres://…']]);
  expect(problems({ erp: target({ url: 'postgres://erp@host:99999/db' }) })).toEqual([
    ['targets.erp.url', 'the port 99999 is above 65535: expected postgres://…'],
  ]);
});
