import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeyBound, TableSelection, WatermarkBound } from '../../core/ports/table-reader.ts';
import {
  createTestSqlServer,
  openTestServer,
  sqlServerReader,
  type TestServer,
  type TestSqlServer,
  whileOpen,
} from '../../tests/sqlserver-database.ts';
import type { SqlServerQuery } from './sqlserver-query.ts';
import { SqlServerTableReader } from './sqlserver-table-reader.ts';

let server: TestServer;
let database: TestSqlServer;
const opened: SqlServerTableReader[] = [];

beforeAll(async () => {
  server = await openTestServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  database = await createTestSqlServer(server.url);
});
afterEach(async () => {
  for (const reader of opened.splice(0)) await reader.close();
  await database.close();
});

function readerAt(url = database.url): SqlServerTableReader {
  const reader = sqlServerReader(url);
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

const words = [`N'a'`, `N'B'`, `N'ä'`, `N'Z'`, `N'10'`, `N'9'`, `N'a b'`, `N'ab'`, `N'O''Neil'`, `N'%'`, `N'😀'`, `N'q\\'`];

describe('a SQL Server table that is read page by page', () => {
  it.each([
    ['whole numbers', 'k INT PRIMARY KEY', ['10', '9', '-1', '0', '100', '2']],
    ['numbers beyond doubles', 'k BIGINT PRIMARY KEY', ['9223372036854775807', '9223372036854775806', '3']],
    ['decimals', 'k DECIMAL(30,10) PRIMARY KEY', ['12345678901234567890.1', '12345678901234567890.2', '0.3', '-7']],
    ['money', 'k MONEY PRIMARY KEY', ['922337203685477.5807', '922337203685477.5806', '-0.0001']],
    ['doubles', 'k FLOAT PRIMARY KEY', ['0.1e0', '0.2e0', '0.30000000000000004e0', '0.3e0', '1e300', '-1e-300']],
    ['single precision', 'k REAL PRIMARY KEY', ['0.1', '0.2', '16777216', '-3.3']],
    ['text that ignores case', 'k NVARCHAR(20) PRIMARY KEY', words],
    ['text of one byte a character', 'k VARCHAR(20) COLLATE Latin1_General_BIN2 PRIMARY KEY', [`'ü'`, `'z'`, `'Z'`, `'€'`]],
    ['padded text', 'k CHAR(5) PRIMARY KEY', [`'a'`, `'ab'`, `'b'`]],
    ['text without an index', 'k NVARCHAR(20) NOT NULL', [...words, `N'A'`, `N'b'`, `N'a  '`]],
    ['bytes', 'k VARBINARY(10) PRIMARY KEY', ['0x00ff', '0xff', '0x0100', '0x01']],
    ['days', 'k DATE PRIMARY KEY', [`'2026-03-01'`, `'2025-03-01'`, `'0001-01-01'`, `'9999-12-31'`]],
    ['times of day', 'k TIME(7) PRIMARY KEY', [`'23:59:59.9999999'`, `'23:59:59.9999998'`, `'00:00:00'`]],
    [
      'moments a hundred nanoseconds apart',
      'k DATETIME2(7) PRIMARY KEY',
      [`'2026-03-01T12:00:00.1234567'`, `'2026-03-01T12:00:00.1234568'`, `'2026-03-01T12:00:00.1234569'`, `'1999-12-31'`],
    ],
    [
      'moments in steps of 3.33 milliseconds',
      'k DATETIME PRIMARY KEY',
      [`'2026-03-01T12:00:00.003'`, `'2026-03-01T12:00:00.007'`, `'2026-03-01T12:00:00.010'`, `'2026-03-01T12:00:00'`],
    ],
    [
      'moments with a zone',
      'k DATETIMEOFFSET(7) PRIMARY KEY',
      [`'2026-03-01T12:00:00.1234567+02:00'`, `'2026-03-01T12:00:00.1234567-05:30'`, `'2026-03-01T12:00:00.1234568+02:00'`],
    ],
    ['uuids', 'k UNIQUEIDENTIFIER PRIMARY KEY', ['NEWID()', 'NEWID()', 'NEWID()', 'NEWID()']],
  ])('is met row by row, each once: %s', async (_what, column, values) => {
    await database.run(`CREATE TABLE item (${column})`, ...values.map((value) => `INSERT INTO item VALUES (${value})`));
    const met = await textsMet({ key: ['k'] }, 2);
    expect(met).toHaveLength(values.length);
    expect(new Set(met).size).toBe(values.length);
  });

  it('is met row by row with a key of several columns, and a view as well', async () => {
    await database.run(
      'CREATE TABLE item (sku NVARCHAR(10) NOT NULL, shop INT NOT NULL, PRIMARY KEY (shop, sku))',
      'CREATE VIEW shown AS SELECT * FROM item',
    );
    for (const shop of [1, 2, 10]) await database.run(`INSERT INTO item VALUES ('b', ${shop}), ('B/%', ${shop}), ('a', ${shop})`);
    expect(new Set(await textsMet({}, 2)).size).toBe(9);
    expect(new Set(await textsMet({ table: 'shown', key: ['sku', 'shop'] }, 2)).size).toBe(9);
  });

  it.each([
    ['DATETIME2(7)', '2026-03-01T12:00:00.1234567', '2026-03-01T11:59:58.1234567'],
    ['DATETIME2(0)', '2026-03-01T12:00:00', '2026-03-01T11:59:58'],
    ['DATETIME', '2026-03-01T12:00:00.123', '2026-03-01T11:59:58.123'],
    ['DATETIMEOFFSET(7)', '2026-03-01T12:00:00.1234567+02:00', '2026-03-01T11:59:58.1234567+02:00'],
    ['DATE', '2026-03-01', '2026-02-28'],
    ['BIGINT', '9223372036854775807', '9223372036854773807'],
    ['TINYINT', '7', '0'],
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
    expect(await keys({ watermark: highest, key: ['2'] })).toEqual([]);
  });

  it('a row a hundred nanoseconds later is met, and one that was met is not met again', async () => {
    await database.run(
      'CREATE TABLE item (k INT PRIMARY KEY, w DATETIME2(7) NOT NULL)',
      `INSERT INTO item VALUES (1, '2026-03-01T12:00:00.1234567')`,
    );
    const reader = readerAt();
    const shape = await reader.describe(selection({ watermark: 'w' }));
    const [first] = await reader.rowsSince(shape, null, 10);
    const from = { watermark: first!.watermark!, key: first!.bound };
    expect(await reader.rowsSince(shape, from, 10)).toEqual([]);
    await database.run(`INSERT INTO item VALUES (2, '2026-03-01T12:00:00.1234568')`);
    const [second, ...others] = await reader.rowsSince(shape, from, 10);
    expect([second!.bound, second!.watermark, others.length]).toEqual([['2'], '2026-03-01T12:00:00.1234568', 0]);
    expect(await reader.rowsSince(shape, { watermark: second!.watermark!, key: second!.bound }, 10)).toEqual([]);
  });

  it('a rowversion that is given and not committed holds back those above it, so none is passed over', async () => {
    await database.run('CREATE TABLE item (k INT PRIMARY KEY, rv ROWVERSION)', 'INSERT INTO item (k) VALUES (1)');
    await database.run('ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON');
    const reader = readerAt();
    const shape = await reader.describe(selection({ watermark: 'rv' }));
    const keys = async (from: WatermarkBound | null) => (await reader.rowsSince(shape, from, 10)).map(({ bound }) => bound[0]);
    const high = { watermark: (await reader.highestWatermark(shape))!, key: null };
    await whileOpen(database.url, 'INSERT INTO item (k) VALUES (2)', async () => {
      await database.run('INSERT INTO item (k) VALUES (3)');
      expect(await keys(high)).toEqual(['1']);
      expect(await reader.highestWatermark(shape)).toBe(high.watermark);
    });
    expect(await keys(high)).toEqual(['1', '2', '3']);
  });

  it('tells a text of five megabytes whole', async () => {
    const long = 'ü'.repeat(2_500_000);
    await database.run('CREATE TABLE item (k INT PRIMARY KEY, words NVARCHAR(MAX), empty NVARCHAR(MAX), none NVARCHAR(MAX))');
    await database.query.run(`INSERT INTO item VALUES (1, @p0, N'', NULL)`, [long]);
    const [text] = await textsMet({}, 10);
    const row = JSON.parse(text!) as { words: string; empty: string; none: null };
    expect(row.words === long).toBe(true);
    expect([row.empty, row.none]).toEqual(['', null]);
  });

  it('finds rows by their keys, two thousand at once, and no others', async () => {
    await database.run('CREATE TABLE item (sku NVARCHAR(10) NOT NULL, shop INT NOT NULL, PRIMARY KEY (shop, sku))');
    await database.run(`INSERT INTO item VALUES ('a', 1), ('b', 1), ('a', 2)`);
    const reader = readerAt();
    const shape = await reader.describe(selection());
    const keys = Array.from({ length: 2_000 }, (_, at) => [String(at), 'a']);
    const found = await reader.rowsUnder(shape, [...keys, ['one', 'b'], ['1', 'b']]);
    expect(found.map(({ bound }) => bound.join('/')).sort()).toEqual(['1/a', '1/b', '2/a']);
  });

  it('says what is wrong in words', async () => {
    await database.run(
      'CREATE TABLE item (k INT PRIMARY KEY, word NVARCHAR(10), long_text NVARCHAR(MAX), doc XML)',
      `INSERT INTO item VALUES (1, N'a', N'', N'<a/>'), (2, N'a', N'', N'<a/>'), (3, NULL, N'', N'<a/>')`,
    );
    const reader = readerAt();
    const problem = (more: Partial<TableSelection>) =>
      reader.describe(selection(more)).then(
        () => 'none',
        (error: Error) => error.message,
      );
    expect(await problem({ table: 'itme' })).toMatch(/\[dbo\]\.\[itme\].*Invalid object name.*does not exist, or GRANT SELECT/s);
    expect(await problem({ columns: ['wrod'] })).toMatch(/`columns` names \[wrod\], .* did you mean \[word\]\?/);
    expect(await problem({ watermark: 'word' })).toMatch(/neither a time, a number nor a rowversion but nvarchar\(10\)/);
    expect(await problem({ key: ['long_text'] })).toMatch(/is no key/);
    expect(await problem({ key: ['doc'] })).toMatch(/is no key/);
    expect(await problem({ key: ['word'] })).toMatch(/rows without a key/);
    await database.run('DELETE FROM item WHERE k = 3');
    expect(await problem({ key: ['word'] })).toMatch(/apart: a stands in more than one/);
    await database.run(`UPDATE item SET word = N'A' WHERE k = 2`);
    expect(await problem({ key: ['word'] })).toBe('none');
    expect(await problem({ watermark: 'K' })).toBe('none');
  });

  it('an index over some rows alone is no promise for the others', async () => {
    await database.run(
      'CREATE TABLE item (k INT NOT NULL, word NVARCHAR(10) NOT NULL)',
      `CREATE UNIQUE INDEX some_words ON item (word) WHERE k > 10`,
      `INSERT INTO item VALUES (1, N'a'), (2, N'a')`,
    );
    await expect(readerAt().describe(selection({ key: ['word'] }))).rejects.toThrow(/apart: a stands in more than one/);
  });

  it('reads in a snapshot where the database allows it, as soon as it does', async () => {
    await database.run('CREATE TABLE item (k INT PRIMARY KEY)', 'INSERT INTO item VALUES (1)');
    const statements: string[] = [];
    const asked: SqlServerQuery = {
      name: database.name,
      run: (statement, parameters) => {
        statements.push(statement);
        return database.query.run(statement, parameters);
      },
      close: async () => undefined,
    };
    const reader = new SqlServerTableReader(asked, { schema: 'dbo', user: 'sa', database: database.name });
    const isSnapshot = async () => {
      const shape = await reader.describe(selection());
      expect(await reader.rows(shape, { after: null, upTo: null }, 10, 'all')).toHaveLength(1);
      return statements.at(-1)!.startsWith('SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT');
    };
    expect(await isSnapshot()).toBe(false);
    await database.run('ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON');
    expect(await isSnapshot()).toBe(true);
    await database.run('ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION OFF');
    expect(await isSnapshot()).toBe(false);
  });
});

describe('a login of SQL Server', () => {
  it('that may read nothing, or not all columns, is told the GRANT', async () => {
    await database.run('CREATE TABLE item (k INT PRIMARY KEY, shown INT, hidden INT)', 'CREATE TABLE other (k INT)');
    const { url, user } = await database.newUser();
    await database.run(`GRANT SELECT ON other TO ${user}`);
    await expect(readerAt(url).describe(selection())).rejects.toMatchObject({
      code: 'source.misconfigured',
      message: expect.stringContaining(`GRANT SELECT ON [dbo].[item] TO [${user}]`),
    });
    await database.run(`GRANT SELECT (k, shown) ON item TO ${user}`);
    await expect(readerAt(url).describe(selection())).rejects.toThrow(/may not read \[hidden\].*GRANT SELECT ON/);
    const shape = await readerAt(url).describe(selection({ columns: ['shown'] }));
    expect(shape.columns.map(({ name }) => name)).toEqual(['k', 'shown']);
  });

  it('whose password is wrong, or who has no user in the database, is told which of the two it is', async () => {
    await database.run('CREATE TABLE item (k INT PRIMARY KEY)');
    const { url, user } = await database.newUser();
    const wrong = Object.assign(new URL(url), { password: 'wrong' }).href;
    await expect(readerAt(wrong).describe(selection())).rejects.toMatchObject({
      code: 'source.misconfigured',
      message: expect.stringMatching(/Login failed for user.*password of `url`/s),
    });
    const elsewhere = await createTestSqlServer(server.url);
    try {
      const other = Object.assign(new URL(url), { pathname: `/${elsewhere.name}` }).href;
      await expect(readerAt(other).describe(selection())).rejects.toMatchObject({
        code: 'source.misconfigured',
        message: expect.stringMatching(new RegExp(`Cannot open database.*CREATE USER \\[${user}\\] FOR LOGIN`, 's')),
      });
    } finally {
      await elsewhere.close();
    }
  });

  it('of a server that is not there is told so, and reads when it is', async () => {
    await database.run('CREATE TABLE item (k INT PRIMARY KEY)');
    const isAway = await server.goAway();
    const reader = readerAt();
    const met = await reader.describe(selection()).then(
      () => 'read',
      (error: { code: string }) => error.code,
    );
    await server.comeBack();
    expect(met).toBe(isAway ? 'source.unavailable' : 'read');
    expect(await reader.describe(selection())).toMatchObject({ key: ['k'] });
  });
});
