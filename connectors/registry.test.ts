import { expect, test } from 'vitest';
import { configSchemaOf } from '../core/config/config.ts';
import { connectorSchemas, connectors } from './registry.ts';

test('every connector has a name of its own, and the halves that it says it has', () => {
  const names = connectors.map((connector) => connector.name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, capabilities, source, target } of connectors) {
    expect([name, source !== undefined]).toEqual([name, capabilities.changes !== 'none']);
    if (capabilities.changes === 'polled') expect(source?.create).toBeTypeOf('function');
    expect([name, target !== undefined]).toEqual([name, capabilities.target]);
  }
});

test('the options of a source are those of its connector, and end up under `options`', () => {
  const schema = configSchemaOf(connectorSchemas);
  const url = 'postgres://h/d';
  const { sources } = schema.parse({
    sources: { erp: { connector: 'postgres', url, entities: { product: { key: 'sku', table: 'shop.products', every: '1m' } } } },
  });
  expect(sources.erp).toMatchObject({
    connector: 'postgres',
    type: 'ERP',
    options: { url, poolMax: 4 },
    entities: { product: { key: ['sku'], options: { table: 'shop.products', mode: 'compare', every: 60_000 } } },
  });
  const refused = (source: object) => schema.safeParse({ sources: { erp: source } }).success;
  expect(refused({ connector: 'http', url, entities: {} })).toBe(false);
  expect(refused({ connector: 'postgres', entities: {} })).toBe(false);
  expect(refused({ connector: 'postgres', url, entities: { product: { mode: 'timestamp' } } })).toBe(false);
});
