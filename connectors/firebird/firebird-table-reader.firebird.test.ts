import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type JsonObject, parseExact } from '../../core/json.ts';
import type { TableRow, TableSelection } from '../../core/ports/table-reader.ts';
import { openTestFirebird, type TestFirebird } from '../../tests/firebird-database.ts';
import { FirebirdTableReader } from './firebird-table-reader.ts';

const everything: TableSelection = { table: 't', key: [], columns: undefined, watermark: null };
const whole = { after: null, upTo: null };

describe('a Firebird table that is read', () => {
  let database: TestFirebird;
  let reader: FirebirdTableReader;

  async function open(characterSet: 'UTF8' | 'WIN1252' | 'NONE' = 'UTF8'): Promise<void> {
    database = await openTestFirebird(characterSet);
    reader = new FirebirdTableReader(database.place, 2);
  }

  beforeEach(() => open());
  afterEach(async () => {
    await reader.close();
    await database.close();
  });

  async function all(selection: Partial<TableSelection> = {}, limit = 100): Promise<readonly TableRow[]> {
    const shape = await reader.describe({ ...everything, ...selection });
    return reader.rows(shape, whole, limit, 'all');
  }

  async function first(): Promise<JsonObject> {
    const [row] = await all();
    return parseExact(row!.text) as JsonObject;
  }

  it('numbers lose no digit', async () => {
    await database.run(
      `CREATE TABLE T (ID INT PRIMARY KEY, S SMALLINT, BIG BIGINT, N18 NUMERIC(18,4), N9 DECIMAL(9,2), N4 NUMERIC(4,3), D18 NUMERIC(18,18), F FLOAT, D DOUBLE PRECISION)`,
    );
    await database.run(
      `INSERT INTO T VALUES (1, -32768, 9223372036854775807, -12345678901234.5678, 1234567.89, 0.001, 0.123456789012345678, 0.1, 1e-300)`,
    );
    const [row] = await all();
    expect(row!.text).toBe(
      '{"ID":1,"S":-32768,"BIG":9223372036854775807,"N18":-12345678901234.5678,"N9":1234567.89,"N4":0.001,"D18":0.123456789012345678,"F":0.1,"D":1e-300}',
    );
  });

  it('times are told as they stand there, to a tenth of a millisecond and to the last day there is', async () => {
    await database.run('CREATE TABLE T (ID INT PRIMARY KEY, CHANGED TIMESTAMP, DAY_ DATE, TM TIME)');
    await database.run(`INSERT INTO T VALUES (1, '9999-12-31 23:59:59.9999', '9999-12-31', '23:59:59.9999')`);
    await database.run(`INSERT INTO T VALUES (2, '0001-01-01', '0001-01-01', '00:00')`);
    await database.run(`INSERT INTO T VALUES (3, '2026-03-29 02:30:10.0100', '2026-03-29', '10:00:10.1')`);
    expect((await all()).map(({ text }) => JSON.parse(text))).toEqual([
      { ID: 1, CHANGED: '9999-12-31T23:59:59.9999', DAY_: '9999-12-31', TM: '23:59:59.9999' },
      { ID: 2, CHANGED: '0001-01-01T00:00:00', DAY_: '0001-01-01', TM: '00:00:00' },
      { ID: 3, CHANGED: '2026-03-29T02:30:10.01', DAY_: '2026-03-29', TM: '10:00:10.1' },
    ]);
  });

  it('padding is no content, and empty is not NULL', async () => {
    await database.run(
      `CREATE TABLE T (ID INT PRIMARY KEY, C CHAR(5), V VARCHAR(5), B BLOB SUB_TYPE TEXT, O CHAR(4) CHARACTER SET OCTETS, X BLOB)`,
    );
    await database.run(`INSERT INTO T VALUES (1, 'ab', 'ab ', 'text', X'00FF', '')`);
    await database.run(`INSERT INTO T VALUES (2, '', '', '', X'', '')`);
    await database.run(`INSERT INTO T (ID) VALUES (3)`);
    expect((await all()).map(({ text }) => JSON.parse(text))).toEqual([
      { ID: 1, C: 'ab', V: 'ab ', B: 'text', O: 'AP8AAA==', X: '' },
      { ID: 2, C: '', V: '', B: '', O: 'AAAAAA==', X: '' },
      { ID: 3, C: null, V: null, B: null, O: null, X: null },
    ]);
  });

  it.each(['UTF8', 'WIN1252', 'NONE'] as const)('every character arrives, in a database of %s', async (characterSet) => {
    await database.close();
    await reader.close();
    await open(characterSet);
    await database.run(
      `CREATE TABLE T (ID INT PRIMARY KEY, W VARCHAR(10) CHARACTER SET WIN1252, N VARCHAR(10) CHARACTER SET NONE, C CHAR(10) CHARACTER SET NONE,
         U CHAR(5) CHARACTER SET UTF8, WB BLOB SUB_TYPE TEXT CHARACTER SET WIN1252, NB BLOB SUB_TYPE TEXT CHARACTER SET NONE, "d é" VARCHAR(3))`,
    );
    await database.run(
      `INSERT INTO T VALUES (1, 'Añ€', CAST(X'41F180' AS VARCHAR(3) CHARACTER SET OCTETS), CAST(X'41F180' AS VARCHAR(3) CHARACTER SET OCTETS),
         '😀😀😀😀😀', CAST('Añ€' AS VARCHAR(5) CHARACTER SET WIN1252), CAST(X'41F180' AS VARCHAR(3) CHARACTER SET OCTETS), 'x')`,
    );
    expect(await first()).toEqual({
      ...{ ID: 1, W: 'Añ€', N: 'Añ€', C: 'Añ€', U: '😀😀😀😀😀', WB: 'Añ€', NB: 'Añ€', 'd é': 'x' },
    });
  });

  it('texts and bytes of 5 MB arrive whole', async () => {
    await database.run('CREATE TABLE T (ID INT PRIMARY KEY, B BLOB SUB_TYPE TEXT CHARACTER SET WIN1252, X BLOB)');
    const text = 'Añ€ long '.repeat(600_000);
    const bytes = Buffer.alloc(5_000_000, 'some bytes \0\xff', 'latin1');
    await database.run('INSERT INTO T VALUES (1, CAST(? AS BLOB SUB_TYPE TEXT CHARACTER SET UTF8), ?)', [
      Buffer.from(text),
      bytes,
    ]);
    await database.run(`INSERT INTO T VALUES (2, 'short', 'short')`);
    const rows = (await all()).map((row) => JSON.parse(row.text) as { B: string; X: string });
    expect(rows[0]!.B === text).toBe(true);
    expect(Buffer.from(rows[0]!.X, 'base64').equals(bytes)).toBe(true);
    expect(rows[1]).toEqual({ ID: 2, B: 'short', X: Buffer.from('short').toString('base64') });
  });

  it('pages in the order of the key follow each other without gap or repetition, whatever the key is', async () => {
    const keys: readonly (readonly [string, readonly string[]])[] = [
      ['ID BIGINT', ['9223372036854775807', '-5', '0', '17']],
      ['ID NUMERIC(18,4)', ['0.0001', '-12345678901234.5678', '2.5']],
      ['ID VARCHAR(10) CHARACTER SET WIN1252 COLLATE PXW_INTL', [`'a'`, `'B'`, `'ä'`, `'z€'`, `'a b'`, `'A-b'`]],
      ['ID VARCHAR(10) CHARACTER SET UTF8 COLLATE UNICODE_CI', [`'a'`, `'B'`, `'ä'`, `'😀'`, `'c'`]],
      ['ID CHAR(10)', [`'a'`, `'B'`, `'ab'`, `''`]],
      ['ID CHAR(3) CHARACTER SET OCTETS', [`X'00FF01'`, `X'FF0001'`, `X'20'`]],
      ['ID VARCHAR(5) CHARACTER SET NONE', [`'a'`, `CAST(X'80' AS VARCHAR(1) CHARACTER SET OCTETS)`, `'z'`]],
      ['ID TIMESTAMP', [`'2026-01-01 10:00:00.0001'`, `'2026-01-01 10:00:00.0002'`, `'9999-12-31'`]],
      ['ID DATE', [`'2026-01-01'`, `'0001-01-01'`]],
      ['ID DOUBLE PRECISION', ['0.1', '1e-300', '-7.3e200']],
      [
        'ID INT NOT NULL, B VARCHAR(3) NOT NULL, CONSTRAINT K PRIMARY KEY (ID, B)',
        [`1, 'a'`, `1, 'b'`, `2, 'a'`, `1, 'c'`, `2, 'b'`],
      ],
    ];
    for (const [at, [declared, values]] of keys.entries()) {
      const [type, collation] = declared.split(' COLLATE ');
      const column = `${type} NOT NULL${collation === undefined ? '' : ` COLLATE ${collation}`}`;
      const columns = declared.includes('CONSTRAINT') ? declared : `${column}, PRIMARY KEY (ID)`;
      await database.run(`CREATE TABLE K${at} (${columns})`);
      for (const value of values) await database.run(`INSERT INTO K${at} VALUES (${value})`);
      const shape = await reader.describe({ ...everything, table: `k${at}` });
      const wanted = (await reader.rows(shape, whole, 100, 'all')).map(({ text }) => text);
      expect(new Set(wanted).size, declared).toBe(values.length);
      const paged: string[] = [];
      for (let after: readonly string[] | null = null; ; ) {
        const rows: readonly TableRow[] = await reader.rows(shape, { after, upTo: null }, 2, 'key');
        paged.push(...rows.map(({ text }) => text));
        if (rows.length < 2) break;
        after = rows.at(-1)!.bound;
        const again = await reader.rows(shape, { after: null, upTo: after }, 100, 'key');
        expect(
          again.map(({ text }) => text),
          declared,
        ).toEqual(wanted.slice(0, paged.length));
      }
      expect(paged, declared).toEqual(wanted);
    }
  });

  it('rows since a watermark come in its order and then the key’s, none of equal ones left out', async () => {
    await database.run('CREATE TABLE T (ID INT PRIMARY KEY, CHANGED TIMESTAMP)');
    for (const [id, at] of [
      [1, '10:00'],
      [2, '09:00'],
      [3, '10:00'],
      [4, '10:00'],
      [5, '10:00:00.0001'],
    ] as const)
      await database.run(`INSERT INTO T VALUES (${id}, '2026-01-01 ${at}')`);
    await database.run('INSERT INTO T VALUES (6, NULL)');
    const shape = await reader.describe({ ...everything, watermark: 'changed' });
    const ids = (rows: readonly TableRow[]) => rows.map(({ bound }) => Number(bound[0]));
    const page = await reader.rowsSince(shape, null, 3);
    expect(ids(page)).toEqual([2, 1, 3]);
    const { watermark, bound: key } = page.at(-1)!;
    expect(ids(await reader.rowsSince(shape, { watermark: watermark!, key }, 10))).toEqual([4, 5]);
    expect(ids(await reader.rowsSince(shape, { watermark: watermark!, key: null }, 10))).toEqual([1, 3, 4, 5]);
    expect(await reader.highestWatermark(shape)).toBe('2026-01-01 10:00:00.0001');
    expect(await reader.watermarkBefore(shape, '2026-01-01 00:00:00.0001', 1_000)).toBe('2025-12-31 23:59:59.0001');
  });

  it('a writer who has not decided yet is not waited for, and not read', async () => {
    await database.run('CREATE TABLE T (ID INT PRIMARY KEY, N INT)');
    await database.run('INSERT INTO T VALUES (1, 1)');
    await database.pool.transact('write', async (other) => {
      await other.run('UPDATE T SET N = 2');
      expect(await first()).toEqual({ ID: 1, N: 1 });
    });
    expect(await first()).toEqual({ ID: 1, N: 2 });
  });

  it('a table or view that is not fit says what to do', async () => {
    await database.run('CREATE TABLE PRODUCT (SKU VARCHAR(5), NAME VARCHAR(5))');
    await expect(all({ table: 'nothing' })).rejects.toMatchObject({
      code: 'source.misconfigured',
      message: expect.stringContaining('does not exist'),
    });
    await expect(all({ table: 'product' })).rejects.toThrow('has no primary key: name in `key`');
    await expect(all({ table: 'product', key: ['skuu'] })).rejects.toThrow('did you mean "SKU"?');
    await database.run(`INSERT INTO PRODUCT VALUES ('A', 'x')`);
    await database.run(`CREATE VIEW LABELS AS SELECT SKU, NAME FROM PRODUCT`);
    expect(await all({ table: 'labels', key: ['sku'] })).toHaveLength(1);
    await database.run(`INSERT INTO PRODUCT VALUES ('A', 'y')`);
    await reader.close();
    reader = new FirebirdTableReader(database.place, 2);
    await expect(all({ table: 'labels', key: ['sku'] })).rejects.toThrow('does not tell the rows of "LABELS" apart');
    await expect(all({ table: 'product', key: ['sku'], watermark: 'name' })).rejects.toThrow('neither a time nor a number');
  });

  it('a missing permission is told as the GRANT that gives it', async () => {
    await database.run('CREATE TABLE T (ID INT PRIMARY KEY)');
    const user = `U${Date.now().toString(36).toUpperCase()}`;
    await database.run(`CREATE USER ${user} PASSWORD 'reader'`);
    const reading = new FirebirdTableReader({ ...database.place, user, password: 'reader' }, 1);
    await expect(reading.describe(everything)).rejects.toMatchObject({
      code: 'source.misconfigured',
      message: expect.stringContaining(`GRANT SELECT ON "T" TO USER "${user}"`),
    });
    await database.run(`GRANT SELECT ON T TO USER ${user}`);
    await reading.describe(everything);
    await reading.close();
    await database.run(`DROP USER ${user}`);
  });
});
