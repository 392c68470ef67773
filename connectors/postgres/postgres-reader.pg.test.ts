import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type JsonObject, parseExact, stringifyExact } from '../../core/json.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';
import { PostgresTarget } from './postgres-target.ts';
import { readTableShape } from './table-shape.ts';
import { rangeStatement } from './table-statements.ts';

let database: TestDatabase;
let reader: PostgresTarget | undefined;

beforeEach(async () => {
  database = await openTestDatabase();
});
afterEach(async () => {
  await reader?.close();
  reader = undefined;
  await database.close();
});

async function open(columns: string, key: readonly string[], values: readonly string[]): Promise<PostgresTarget> {
  const unique = `UNIQUE (${key.map((column) => `"${column}"`).join(', ')})`;
  await database.pool.query(`CREATE TABLE item (${columns}, ${unique})`);
  for (const value of values) await database.pool.query(`INSERT INTO item VALUES (${value})`);
  const tables = [{ kind: 'item', table: 'item', key, deletes: true, columns: undefined }];
  reader = new PostgresTarget({ url: database.url, connectionsMax: 2, timeoutMs: 20_000, tables, applicationName: 'test' });
  await reader.open();
  return reader;
}

/** Key by key as they are met; the cursor goes through text, as it does in the tables. */
async function keysMet(limit: number, meanwhile: () => Promise<unknown> = async () => undefined): Promise<string[]> {
  const met: string[] = [];
  for (let after: JsonObject | null = null; ; await meanwhile()) {
    const { rows, next } = await reader!.readRange('item', after, limit);
    met.push(...rows.map(({ key }) => key));
    if (next === null) return met;
    after = parseExact(stringifyExact(next)) as JsonObject;
  }
}

describe('a PostgreSQL table that is read back', () => {
  const words = ['a', 'B', 'ä', 'Z', 'z', '10', '9', 'a b', 'A', 'ab', 'é', 'ß', "O'Neil", '%', 'ZZ', '😀'];
  it.each([
    ['whole numbers', 'k INT', ['10', '9', '-1', '0', '100', '2']],
    ['numbers beyond doubles', 'k NUMERIC', ['12345678901234567890.1', '12345678901234567890.2', '0.3', '-7']],
    ['text in the order of bytes', 'k TEXT COLLATE "C"', words.map((word) => `'${word.replaceAll("'", "''")}'`)],
    ['text in the order of a language', 'k TEXT COLLATE "de-x-icu"', words.map((word) => `'${word.replaceAll("'", "''")}'`)],
    ['padded text', 'k CHAR(6)', [`'a'`, `'B'`, `'ab'`, `'z'`]],
    ['uuids', 'k UUID', Array.from({ length: 7 }, () => 'gen_random_uuid()')],
    [
      'times',
      'k TIMESTAMPTZ',
      [`'2026-03-01T12:00:00.123456+02'`, `'1999-12-31'`, `'2026-03-01T10:00:00.123457Z'`, `'infinity'`],
    ],
    ['days', 'k DATE', [`'2026-03-01'`, `'2025-03-01'`, `'2026-02-28'`]],
    ['binary', 'k BYTEA', [`'\\x00ff'`, `'\\xff'`, `'\\x0100'`]],
  ])('meets every row once and finds each by its key: %s', async (_what, column, values) => {
    await open(column, ['k'], values);
    const keys = await keysMet(2);
    expect(new Set(keys).size).toBe(values.length);
    expect(keys).toHaveLength(values.length);
    const found = await reader!.readKeys('item', keys);
    expect(found.map(({ key }) => key).sort()).toEqual([...keys].sort());
  });

  it('meets every row of a key of several columns once, whatever order they have', async () => {
    const values = ['1', '2', '10'].flatMap((shop) => [`'b'`, `'B/%'`, `'a'`].map((sku) => `${sku}, ${shop}`));
    await open('sku TEXT COLLATE "de-x-icu", shop INT', ['shop', 'sku'], values);
    const keys = await keysMet(2);
    expect(new Set(keys)).toEqual(
      new Set(['1', '2', '10'].flatMap((shop) => ['b', 'B%2F%25', 'a'].map((sku) => `${shop}/${sku}`))),
    );
    expect(keys).toHaveLength(9);
  });

  it('rows without a key are left out, and those behind them are met', async () => {
    await open('k TEXT, n INT', ['k'], [`NULL, 1`, `'a', 2`, `'', 3`, `NULL, 4`, `'b', 5`]);
    expect(await keysMet(1)).toEqual(['a', 'b']);
  });

  it('a row that is there all the while is met once, whatever comes and goes around it', async () => {
    await open(
      'k INT',
      ['k'],
      Array.from({ length: 50 }, (_none, n) => String(n * 10)),
    );
    let step = 0;
    const keys = await keysMet(7, async () => {
      step++;
      await database.pool.query('INSERT INTO item VALUES ($1), ($2)', [step * 10 + 3, -step]);
    });
    const stayed = keys.filter((key) => Number(key) % 10 === 0);
    expect(stayed).toEqual(Array.from({ length: 50 }, (_none, n) => String(n * 10)));
  });

  it('a row is found by its key however that is written, and told with the key that was asked for', async () => {
    await open('k CHAR(4), n INT', ['k'], [`'a', 1`]);
    expect(await reader!.readKeys('item', ['a', 'a   '])).toMatchObject([
      { key: 'a', row: { k: 'a   ' } },
      { key: 'a   ', row: { k: 'a   ' } },
    ]);
  });

  it('a key that no row can have has none, and does not hide the others', async () => {
    await open('k INT', ['k'], ['1', '2', '3']);
    const found = await reader!.readKeys('item', ['1', 'abc', '99999999999999999999', '3', '4']);
    expect(found.map(({ key }) => key)).toEqual(['1', '3']);
  });

  it('reads on in the index of the key instead of sorting what is left', async () => {
    await open('k TEXT COLLATE "de-x-icu", n INT', ['k'], []);
    await database.pool.query(`INSERT INTO item SELECT 'key ' || n, n FROM generate_series(1, 20000) AS n; ANALYZE item`);
    const table = { kind: 'item', table: 'item', key: ['k'], deletes: true, columns: undefined };
    const statement = rangeStatement(await readTableShape(database.pool, table), false);
    const { rows } = await database.pool.query(`EXPLAIN ${statement}`, ['{"k":"key 15"}', 10]);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('Index Scan using item_k_key on item t');
    expect(plan).not.toMatch(/Sort|Seq Scan on item/);
  });
});
