import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openTestDatabase } from '../../tests/test-database.ts';

const entry = fileURLToPath(new URL('../syncline.ts', import.meta.url));

function testSource(config: string, name: string): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [entry, 'datasource', 'test', name, '--config', config], (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, output: stdout + stderr }),
    );
  });
}

test('what stands in the way of a source is said in words, table by table', { timeout: 90_000 }, async () => {
  const database = await openTestDatabase();
  const folder = mkdtempSync(join(tmpdir(), 'datasource-'));
  const file = (name: string, url: string) => {
    const config = join(folder, name);
    writeFileSync(
      config,
      `sources:\n  erp:\n    connector: postgres\n    url: ${url}\n    entities:\n      product: {}\n      price: { table: prices }\n      stock: {}\n`,
    );
    return config;
  };
  const pushing = join(folder, 'c.yml');
  writeFileSync(pushing, 'sources:\n  shop: { connector: http, entities: { order: { key: id } } }\n');
  try {
    expect(await testSource(pushing, 'shop')).toMatchObject({
      code: 0,
      output: expect.stringContaining('shop is not read: it sends its changes by itself'),
    });
    await database.pool.query(
      'CREATE TABLE product (sku TEXT PRIMARY KEY, name TEXT); CREATE TABLE price (id INT); CREATE TABLE stock (n INT)',
    );
    const told = await testSource(file('a.yml', database.url), 'erp');
    expect(told.code).toBe(1);
    expect(told.output).toContain('product: "public"."product": 2 columns, key sku');
    expect(told.output).toContain('price: the table "public"."prices" does not exist in this database: did you mean "price"?');
    expect(told.output).toContain('stock: "public"."stock" has no primary key');
    expect(told.output).toContain('erp: 2 of 3 streams cannot be read');
    await database.pool.query('ALTER TABLE stock ADD PRIMARY KEY (n); CREATE TABLE prices (id INT PRIMARY KEY)');
    expect(await testSource(file('a.yml', database.url), 'erp')).toMatchObject({
      code: 0,
      output: expect.stringContaining('erp can be read'),
    });
    const nowhere = await testSource(file('b.yml', 'postgres://ada:x@127.0.0.1:1/none'), 'erp');
    expect(nowhere.output).toContain('source.unavailable');
    expect((await testSource(file('a.yml', database.url), 'shop')).output).toContain('there is no source shop (there is: erp)');
  } finally {
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
