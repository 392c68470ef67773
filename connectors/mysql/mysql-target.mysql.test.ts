import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseExact } from '../../core/json.ts';
import type { TargetRow } from '../../core/ports/target-connector.ts';
import { describeTargetConnector } from '../../tests/contracts/target-connector.ts';
import { mysqlPool, openTestMysql, type TestMysql } from '../../tests/mysql-database.ts';
import type { TableDeclaration } from '../tables/table-declaration.ts';
import { MysqlTarget } from './mysql-target.ts';
import { textLiteral } from './sql-literal.ts';

const products: TableDeclaration = { kind: 'product', table: 'product', key: ['sku'], deletes: true, columns: undefined };

const tables = [
  'CREATE TABLE product (sku VARCHAR(50) PRIMARY KEY, label TEXT, stock INT NOT NULL DEFAULT 0 CHECK (stock >= 0), note TEXT)',
  'CREATE TRIGGER capitals_insert BEFORE INSERT ON product FOR EACH ROW SET NEW.label = UPPER(NEW.label)',
  'CREATE TRIGGER capitals_update BEFORE UPDATE ON product FOR EACH ROW SET NEW.label = UPPER(NEW.label)',
];

async function rowAt(database: TestMysql, key: string): Promise<TargetRow | null> {
  const [row] = await database.rows(`SELECT sku, label, stock, note FROM product WHERE sku = ${textLiteral(key)}`);
  return row === undefined ? null : { sku: row[0]!, label: row[1]!, stock: Number(row[2]), note: row[3]! };
}

describeTargetConnector('MariaDB', async () => {
  const database = await openTestMysql();
  await database.run(...tables);
  const connector = new MysqlTarget(mysqlPool(database.url), [products]);
  await connector.open();
  return {
    connector,
    async put(key, row) {
      await database.run(`DELETE FROM product WHERE sku = ${textLiteral(key)}`);
      if (row === null) return;
      const values = Object.entries({ stock: 0, ...row, sku: key }).map(
        ([column, value]) => `${column} = ${value === null ? 'NULL' : textLiteral(String(value))}`,
      );
      await database.run(`INSERT INTO product SET ${values.join(', ')}`);
    },
    at: (key) => rowAt(database, key),
    async close() {
      await connector.close();
      await database.close();
    },
  };
});

describe('a MariaDB table as a target', () => {
  let database: TestMysql;
  const opened: MysqlTarget[] = [];

  beforeEach(async () => {
    database = await openTestMysql();
  });
  afterEach(async () => {
    for (const target of opened.splice(0)) await target.close();
    await database.close();
  });

  function target(declared: Partial<TableDeclaration>, url = database.url, timeout = '15s'): MysqlTarget {
    const made = new MysqlTarget(mysqlPool(url, 4, timeout), [{ ...products, ...declared }]);
    opened.push(made);
    return made;
  }

  async function write(made: MysqlTarget, row: TargetRow): Promise<TargetRow | null> {
    const key = made.keyOf('product', row)!;
    const [result] = await made.write('product', [{ key, decide: () => ({ kind: 'write', row }) }]);
    return result?.kind === 'written' ? result.returned : null;
  }

  it('every value comes back as the column holds it, and what is written back as it was read stays as it was', async () => {
    await database.run(
      `CREATE TABLE \`Odd \`\`name\` (sku VARCHAR(20) PRIMARY KEY, code CHAR(5), price DECIMAL(30,2), big DECIMAL(40,30), at TIMESTAMP(6) NULL,
         local DATETIME(3), never DATETIME, day DATE, took TIME, mood ENUM('sad','happy'), marks SET('a','b','c'), extra JSON, raw BLOB, bits BIT(9),
         flag BOOLEAN, old VARCHAR(20) CHARACTER SET latin1, \`Mixed Case\` INT, ratio FLOAT, huge BIGINT UNSIGNED, twice INT AS (\`Mixed Case\` * 2) STORED)`,
    );
    const made = target({ table: 'Odd `name' });
    await made.open();
    const row = parseExact(
      `{"sku":"A","code":"ab","price":12345678901234567890.125,"big":0.12345678901234567890123,"at":"2026-03-01T12:00:00.1234+02:00",
        "local":"2026-03-01T12:00:00.5","never":"0000-00-00T00:00:00","day":"2026-03-01","took":"-12:30:00","mood":"happy","marks":["c","a"],
        "extra":{"a":[1,null],"n":12345678901234567890},"raw":"AP8n","bits":257,"flag":true,"old":"Müller €","Mixed Case":7,"ratio":0.1,
        "huge":18446744073709551615}`,
    ) as TargetRow;
    const returned = await write(made, row);
    expect(JSON.parse(JSON.stringify(returned))).toMatchObject({
      sku: 'A',
      code: 'ab',
      at: '2026-03-01T10:00:00.1234Z',
      local: '2026-03-01T12:00:00.5',
      never: '0000-00-00T00:00:00',
      day: '2026-03-01',
      took: '-12:30:00',
      mood: 'happy',
      marks: ['a', 'c'],
      raw: 'AP8n',
      bits: 257,
      flag: 1,
      old: 'Müller €',
      'Mixed Case': 7,
      ratio: 0.1,
      twice: 14,
    });
    const [exact] = await database.rows('SELECT price, big, huge, extra, UNIX_TIMESTAMP(at) FROM `Odd ``name`');
    expect(exact).toEqual([
      '12345678901234567890.13',
      '0.123456789012345678901230000000',
      '18446744073709551615',
      '{"a":[1,null],"n":12345678901234567890}',
      '1772359200.123400',
    ]);
    expect(await write(made, returned!)).toEqual(returned);
  });

  it('what was not said gets the default of its column, and so does null where the column takes none', async () => {
    await database.run(
      `CREATE TABLE product (sku VARCHAR(20) PRIMARY KEY, a INT NOT NULL DEFAULT 5, b VARCHAR(5) DEFAULT 'b', c VARCHAR(5) DEFAULT 'c', d INT NOT NULL DEFAULT 6)`,
    );
    const made = target({});
    await made.open();
    expect(await write(made, { sku: 'A', a: null, c: null })).toEqual({ sku: 'A', a: 5, b: 'b', c: null, d: 6 });
    expect(await write(made, { sku: 'A', a: null, b: null, d: 9 })).toEqual({ sku: 'A', a: 5, b: null, c: null, d: 9 });
  });

  it('no text of a record is read as SQL', async () => {
    await database.run(...tables);
    const made = target({});
    await made.open();
    const evil = `'; DROP TABLE product; -- \\' " \0 \u{1f600} ü`;
    expect(await write(made, { sku: evil.slice(0, 20), note: evil, stock: '7' })).toMatchObject({ note: evil, stock: 7 });
    await expect(write(made, { sku: 'A', stock: '1; DELETE FROM product' })).rejects.toThrow("'stock'");
    expect(await database.rows('SELECT COUNT(*) FROM product')).toEqual([['1']]);
  });

  it('a row of another key that stands in the way of a unique index is not touched', async () => {
    await database.run(
      'CREATE TABLE product (id INT AUTO_INCREMENT PRIMARY KEY, sku VARCHAR(20) NOT NULL UNIQUE, ean VARCHAR(20) UNIQUE, note TEXT)',
      `INSERT INTO product (sku, ean, note) VALUES ('A', '111', 'a'), ('B', '222', 'b')`,
    );
    const made = target({});
    await made.open();
    await expect(write(made, { sku: 'C', ean: '111', note: 'c' })).rejects.toMatchObject({ details: { index: 'ean' } });
    await expect(write(made, { sku: 'B', ean: '111', note: 'c' })).rejects.toMatchObject({ details: { index: 'ean' } });
    expect(await write(made, { sku: 'D', ean: '333', note: 'd' })).toMatchObject({ sku: 'D', ean: '333' });
    expect(await database.rows('SELECT sku, ean, note FROM product ORDER BY sku')).toEqual([
      ['A', '111', 'a'],
      ['B', '222', 'b'],
      ['D', '333', 'd'],
    ]);
  });

  it('a key of several columns finds its row, and a key of numbers, times and bytes', async () => {
    await database.run(
      'CREATE TABLE product (shop INT, at TIMESTAMP(3) NOT NULL, raw VARBINARY(5), ratio FLOAT, stock INT, UNIQUE (raw, shop, at, ratio))',
    );
    const made = target({ key: ['shop', 'at', 'raw', 'ratio'] });
    await made.open();
    const row = { shop: 7, at: '2026-03-01T10:00:00.5Z', raw: 'AP8n', ratio: 0.1 };
    const key = made.keyOf('product', row);
    expect(key).toBe('7/2026-03-01T10:00:00.5Z/AP8n/0.1');
    expect(await write(made, { ...row, stock: 1 })).toEqual({ ...row, stock: 1 });
    expect(await write(made, { ...row, stock: 2 })).toEqual({ ...row, stock: 2 });
    expect(await made.readKeys('product', [key!, '8/x/y/z'])).toEqual([{ key, row: { ...row, stock: 2 } }]);
    const [gone] = await made.write('product', [{ key: key!, decide: () => ({ kind: 'delete' }) }]);
    expect(gone).toMatchObject({ kind: 'written', replaced: { stock: 2 }, returned: null });
  });

  it('a table that is not fit says what to do', async () => {
    await expect(target({}).open()).rejects.toMatchObject({
      code: 'target.misconfigured',
      message: expect.stringContaining('`product` does not exist'),
    });
    await database.run('CREATE TABLE product (sku VARCHAR(20), title TEXT) ENGINE = MyISAM');
    await expect(target({}).open()).rejects.toThrow('ENGINE = InnoDB');
    await database.run('ALTER TABLE product ENGINE = InnoDB');
    await expect(target({}).open()).rejects.toThrow('CREATE UNIQUE INDEX');
    await database.run('CREATE UNIQUE INDEX one ON product (sku)');
    await expect(target({ columns: ['sku', 'titel'] }).open()).rejects.toThrow('did you mean `title`?');
    await target({ columns: ['sku', 'title'] }).open();
  });

  it('a user without the right is told the GRANT, and one who may only read that it is so', async () => {
    await database.run(...tables);
    const { url, user } = await database.newUser();
    await database.run(`GRANT SELECT, INSERT ON product TO ${user}`);
    await expect(target({}, url).open()).rejects.toMatchObject({
      code: 'target.misconfigured',
      message: expect.stringContaining(`GRANT SELECT, INSERT, UPDATE, DELETE ON \`${database.name}\`.\`product\` TO ${user}`),
    });
    await database.run(`GRANT UPDATE ON product TO ${user}`);
    await target({ deletes: false }, url).open();
    await expect(target({}, url).open()).rejects.toThrow('DELETE ON');
  });

  it('a row that somebody else inserts in between is decided on anew', async () => {
    await database.run(
      ...tables,
      `CREATE TRIGGER slow BEFORE INSERT ON product FOR EACH ROW IF NEW.note = 'slow' THEN DO SLEEP(0.5); END IF`,
    );
    const made = target({});
    await made.open();
    const seen: (TargetRow | null)[] = [];
    const others: Promise<void>[] = [];
    const result = await made.write('product', [
      {
        key: 'N',
        decide(found) {
          seen.push(found);
          if (found !== null) return { kind: 'leave' };
          others.push(database.run(`INSERT INTO product (sku, stock) VALUES ('N', 7)`));
          return { kind: 'write', row: { sku: 'N', stock: 1, note: 'slow' } };
        },
      },
    ]);
    await Promise.all(others);
    expect(result).toMatchObject([{ kind: 'left', found: { stock: 7 } }]);
    expect(seen).toMatchObject([null, { stock: 7 }]);
  });

  it('a target that does not answer in time is unavailable, and works again when it does', async () => {
    await database.run(...tables);
    const made = target({}, database.url, '1s');
    await made.open();
    await database.pool.use(async (session) => {
      await session.run(['LOCK TABLES product WRITE']);
      await expect(write(made, { sku: 'A', stock: 1 })).rejects.toMatchObject({ code: 'target.unavailable' });
      await session.run(['UNLOCK TABLES']);
    });
    expect(await write(made, { sku: 'A', stock: 1 })).toMatchObject({ stock: 1 });
  });

  it('what a trigger objects to is a fault of the row', async () => {
    await database.run(
      tables[0]!,
      `CREATE TRIGGER refuse BEFORE INSERT ON product FOR EACH ROW
         IF NEW.note = 'bad' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no such note'; END IF`,
    );
    const made = target({});
    await made.open();
    await expect(write(made, { sku: 'A', note: 'bad' })).rejects.toThrow('no such note');
  });

  it('a batch larger than one statement may be is written all the same', async () => {
    await database.run('CREATE TABLE product (sku VARCHAR(20) PRIMARY KEY, note LONGTEXT)');
    const made = target({});
    await made.open();
    const note = 'ü'.repeat(400_000);
    const changes = Array.from({ length: 12 }, (_none, at) => {
      const row = { sku: `K${at}`, note: note + at };
      return { key: row.sku, decide: () => ({ kind: 'write', row }) as const };
    });
    expect((await made.write('product', changes)).map(({ kind }) => kind)).toEqual(changes.map(() => 'written'));
    expect(await database.rows('SELECT COUNT(*), MIN(CHAR_LENGTH(note)) FROM product')).toEqual([['12', '400001']]);
  });

  it('is read back in the order of its key, every row once', async () => {
    const words = ['a', 'B', 'ä', 'Z', 'y', '10', '9', 'a b', 'ab', '%', '😀'];
    await database.run(
      'CREATE TABLE product (sku VARCHAR(20) PRIMARY KEY)',
      ...words.map((word) => `INSERT IGNORE INTO product VALUES (${textLiteral(word)})`),
    );
    const [[count]] = (await database.rows('SELECT COUNT(*) FROM product')) as [[string]];
    const made = target({});
    await made.open();
    const met: string[] = [];
    for (let after = null; ; ) {
      const { rows, next } = await made.readRange('product', after, 2);
      met.push(...rows.map(({ key }) => key));
      if (next === null) break;
      after = JSON.parse(JSON.stringify(next));
    }
    expect(new Set(met).size).toBe(Number(count));
    expect(met).toHaveLength(Number(count));
  });
});
