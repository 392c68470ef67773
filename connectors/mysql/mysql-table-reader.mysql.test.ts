import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeyBound, TableSelection, WatermarkBound } from '../../core/ports/table-reader.ts';
import { mysqlPool, openTestMysql, type TestMysql } from '../../tests/mysql-database.ts';
import { MysqlTableReader } from './mysql-table-reader.ts';
import { textLiteral } from './sql-literal.ts';

let database: TestMysql;
const opened: MysqlTableReader[] = [];

beforeEach(async () => {
  database = await openTestMysql();
});
afterEach(async () => {
  for (const reader of opened.splice(0)) await reader.close();
  await database.close();
});

function readerAt(url = database.url): MysqlTableReader {
  const reader = new MysqlTableReader(mysqlPool(url, 2));
  opened.push(reader);
  return reader;
}

function selection(more: Partial<TableSelection> = {}): TableSelection {
  return { table: 'item', key: [], columns: undefined, watermark: null, ...more };
}

/** Page by page; the bounds go through text, as they do in the tables. */
async function textsMet(more: Partial<TableSelection>, limit: number): Promise<string[]> {
  const reader = readerAt();
  const shape = await reader.describe(selection(more));
  const met: string[] = [];
  for (let after: KeyBound | null = null; ; ) {
    const page = await reader.rows(shape, { after, upTo: null }, limit, 'all');
    const last = page.at(-1);
    if (last === undefined) return met;
    met.push(...page.map(({ text }) => text));
    // What was read stands within the bounds it gave.
    const again = await reader.rows(shape, { after, upTo: last.bound }, 100, 'all');
    expect(again.map(({ text }) => text)).toEqual(page.map(({ text }) => text));
    after = JSON.parse(JSON.stringify(last.bound)) as KeyBound;
  }
}

const words = ['a', 'B', 'ä', 'Z', 'y', '10', '9', 'a b', 'ab', 'é', "O'Neil", '%', 'ZZ', '😀', 'q\\'].map(textLiteral);

describe('a MySQL table that is read page by page', () => {
  it.each([
    ['whole numbers', 'k INT PRIMARY KEY', ['10', '9', '-1', '0', '100', '2']],
    ['numbers beyond doubles', 'k BIGINT UNSIGNED PRIMARY KEY', ['18446744073709551615', '18446744073709551614', '3']],
    ['decimals', 'k DECIMAL(30,10) PRIMARY KEY', ['12345678901234567890.1', '12345678901234567890.2', '0.3', '-7']],
    ['zeros in front', 'k INT(6) ZEROFILL PRIMARY KEY', ['10', '9', '100', '2']],
    ['doubles', 'k DOUBLE PRIMARY KEY', ['0.1e0', '0.2e0', '1e300', '-1e-300']],
    ['single precision', 'k FLOAT PRIMARY KEY', ['0.1', '0.2', '16777216', '-3.3']],
    ['bits', 'k BIT(64) PRIMARY KEY', [`b'1'`, `b'11'`, `b'1${'0'.repeat(63)}'`]],
    ['text that ignores case', 'k VARCHAR(20) PRIMARY KEY', [...words.slice(0, 2), ...words.slice(3)]],
    [
      'text of another character set',
      'k VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german1_ci PRIMARY KEY',
      [`'ü'`, `'z'`, `'€'`],
    ],
    ['text in the order of bytes', 'k VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY', words],
    ['text without an index', 'k VARCHAR(20) NOT NULL', [...words, `'A'`, `'b'`, `'a  '`]],
    ['words of an enumeration', `k ENUM('z','a','m') PRIMARY KEY`, [`'a'`, `'m'`, `'z'`]],
    ['words of a set', `k SET('z','a','m') PRIMARY KEY`, [`'a'`, `'z,m'`, `'z'`, `''`]],
    ['bytes', 'k VARBINARY(10) PRIMARY KEY', [`X'00ff'`, `X'ff'`, `X'0100'`, `X''`]],
    ['days', 'k DATE PRIMARY KEY', [`'2026-03-01'`, `'2025-03-01'`, `'0000-00-00'`]],
    ['times of day', 'k TIME(3) PRIMARY KEY', [`'-12:00:00'`, `'838:59:59'`, `'00:00:00.001'`]],
    [
      'moments',
      'k TIMESTAMP(6) PRIMARY KEY',
      [`'2026-03-01 12:00:00.123456'`, `'2026-03-01 12:00:00.123457'`, `'1999-12-31 00:00:00'`],
    ],
    ['years', 'k YEAR PRIMARY KEY', ['1999', '2026']],
    ['uuids', 'k UUID PRIMARY KEY', ['UUID()', 'UUID()', 'UUID()', 'UUID()']],
  ])('is met row by row, each once: %s', async (_what, column, values) => {
    await database.run(`CREATE TABLE item (${column})`, ...values.map((value) => `INSERT INTO item VALUES (${value})`));
    const met = await textsMet({ key: ['k'] }, 2);
    expect(met).toHaveLength(values.length);
    expect(new Set(met).size).toBe(values.length);
  });

  it('is met row by row with a key of several columns, and a view as well', async () => {
    await database.run(
      'CREATE TABLE item (sku VARCHAR(10), shop INT, PRIMARY KEY (shop, sku))',
      'CREATE VIEW shown AS SELECT * FROM item',
    );
    for (const shop of [1, 2, 10]) await database.run(`INSERT INTO item VALUES ('b', ${shop}), ('B/%', ${shop}), ('a', ${shop})`);
    expect(new Set(await textsMet({}, 2)).size).toBe(9);
    expect(new Set(await textsMet({ table: 'shown', key: ['sku', 'shop'] }, 2)).size).toBe(9);
  });

  it('enters its index where the key has one, whatever collation it has', async () => {
    await database.run(
      'CREATE TABLE item (k VARCHAR(20) CHARACTER SET latin1 PRIMARY KEY, n INT)',
      `INSERT INTO item SELECT CONCAT('key ', seq), seq FROM seq_1_to_20000`,
    );
    const pool = mysqlPool(database.url, 1);
    const reader = new MysqlTableReader(pool);
    opened.push(reader);
    const shape = await reader.describe(selection());
    await pool.use((session) => session.run(['FLUSH STATUS']));
    await reader.rows(shape, { after: ['key 15'], upTo: ['key 19'] }, 10, 'all');
    const read = await pool.use((session) => session.rows(`SHOW SESSION STATUS LIKE 'Handler_read%'`));
    expect(read.reduce((sum, [, count]) => sum + Number(count), 0)).toBeLessThan(50);
  });

  it.each([
    ['DATETIME(6)', '2026-03-01 12:00:00.500000', '2026-03-01 11:59:58.500000'],
    ['TIMESTAMP', '2026-03-01 12:00:00', '2026-03-01 11:59:58.000000'],
    ['DATE', '2026-03-01', '2026-02-28 23:59:58.000000'],
    ['BIGINT UNSIGNED', '18446744073709551615', '18446744073709549615'],
  ])('tells what lies before a watermark that is a %s, and what has risen since', async (type, highest, earlier) => {
    await database.run(
      `CREATE TABLE item (k INT PRIMARY KEY, w ${type} NULL)`,
      `INSERT INTO item VALUES (1, '${highest}'), (2, '${highest}'), (3, NULL)`,
    );
    const reader = readerAt();
    const shape = await reader.describe(selection({ watermark: 'w' }));
    expect(await reader.highestWatermark(shape)).toBe(highest);
    expect(await reader.watermarkBefore(shape, highest, 2_000)).toBe(earlier);
    const keys = async (from: WatermarkBound | null) => (await reader.rowsSince(shape, from, 10)).map(({ bound }) => bound[0]);
    expect(await keys(null)).toEqual(['1', '2']);
    expect(await keys({ watermark: earlier, key: null })).toEqual(['1', '2']);
    expect(await keys({ watermark: highest, key: null })).toEqual(['1', '2']);
    expect(await keys({ watermark: highest, key: ['1'] })).toEqual(['2']);
  });

  it('tells a text and bytes of five megabytes whole', async () => {
    await database.run(
      'CREATE TABLE item (k INT PRIMARY KEY, words LONGTEXT, raw LONGBLOB)',
      `INSERT INTO item VALUES (1, REPEAT('ü', 2500000), REPEAT(X'00ff', 2500000))`,
    );
    const [text] = await textsMet({}, 10);
    const row = JSON.parse(text!) as { words: string; raw: string };
    expect(row.words === 'ü'.repeat(2_500_000)).toBe(true);
    expect(Buffer.from(row.raw, 'base64').equals(Buffer.alloc(5_000_000, Buffer.from([0, 255])))).toBe(true);
  });

  it('says what is wrong in words', async () => {
    await database.run(
      'CREATE TABLE item (k INT PRIMARY KEY, word VARCHAR(10), long_text TEXT, doc JSON)',
      `INSERT INTO item VALUES (1, 'a', '', '1'), (2, 'a', '', '1'), (3, NULL, '', '1')`,
    );
    const problem = (more: Partial<TableSelection>) =>
      readerAt()
        .describe(selection(more))
        .then(
          () => 'none',
          (error: Error) => error.message,
        );
    expect(await problem({ table: 'itme' })).toMatch(/itme/);
    expect(await problem({ columns: ['wrod'] })).toMatch(/`columns` names `wrod`, .* did you mean `word`\?/);
    expect(await problem({ watermark: 'word' })).toMatch(/neither a time nor a number but varchar/);
    expect(await problem({ key: ['long_text'] })).toMatch(/is no key/);
    expect(await problem({ key: ['doc'] })).toMatch(/is no key/);
    expect(await problem({ key: ['word'] })).toMatch(/rows without a key/);
    await database.run('DELETE FROM item WHERE k = 3');
    expect(await problem({ key: ['word'] })).toMatch(/apart: a stands in more than one/);
    await database.run(`UPDATE item SET word = 'A' WHERE k = 2`);
    expect(await problem({ key: ['word'] })).toBe('none');
  });

  it('a user who may read other tables, or other columns, is told the GRANT', async () => {
    await database.run('CREATE TABLE item (k INT PRIMARY KEY, shown INT, hidden INT)', 'CREATE TABLE other (k INT)');
    const { url, user } = await database.newUser();
    await database.run(`GRANT SELECT ON other TO ${user}`);
    await expect(readerAt(url).describe(selection())).rejects.toMatchObject({
      code: 'source.misconfigured',
      message: expect.stringContaining(`GRANT SELECT ON \`${database.name}\`.\`item\``),
    });
    await database.run(`GRANT SELECT (k, shown), INSERT (hidden) ON item TO ${user}`);
    await expect(readerAt(url).describe(selection())).rejects.toThrow(/may not read `hidden`.*GRANT SELECT ON/);
    const shape = await readerAt(url).describe(selection({ columns: ['shown'] }));
    expect(shape.columns.map(({ name }) => name)).toEqual(['k', 'shown']);
  });
});
