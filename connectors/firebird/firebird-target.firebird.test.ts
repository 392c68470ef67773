import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseExact, stringifyExact } from '../../core/json.ts';
import { TargetRejected, type TargetRow } from '../../core/ports/target-connector.ts';
import { describeTargetConnector } from '../../tests/contracts/target-connector.ts';
import { openTestFirebird, type TestFirebird } from '../../tests/firebird-database.ts';
import type { TableDeclaration } from '../tables/table-declaration.ts';
import { FirebirdTarget } from './firebird-target.ts';

const products: TableDeclaration = { kind: 'product', table: 'product', key: ['sku'], deletes: true, columns: undefined };

async function createProducts(database: TestFirebird): Promise<void> {
  await database.run(
    `CREATE TABLE "product" ("sku" VARCHAR(20) NOT NULL PRIMARY KEY, "label" VARCHAR(40), "stock" INT DEFAULT 0 NOT NULL CHECK ("stock" >= 0),
       "note" VARCHAR(40))`,
  );
  await database.run(
    `CREATE TRIGGER CAPITALS FOR "product" BEFORE INSERT OR UPDATE AS BEGIN NEW."label" = UPPER(NEW."label"); END`,
  );
}

function targetAt(database: TestFirebird, declared: readonly TableDeclaration[] = [products]): FirebirdTarget {
  return new FirebirdTarget({ place: database.place, connectionsMax: 4, tables: declared });
}

describeTargetConnector('Firebird', async () => {
  const database = await openTestFirebird();
  await createProducts(database);
  const connector = targetAt(database);
  await connector.open();
  return {
    connector,
    async put(key, row) {
      if (row === null) await database.run('DELETE FROM "product" WHERE "sku" = ?', [key]);
      else
        await database.run(
          'UPDATE OR INSERT INTO "product" ("sku", "label", "stock", "note") VALUES (?, ?, ?, ?) MATCHING ("sku")',
          [key, (row.label ?? null) as string | null, (row.stock ?? 0) as number, (row.note ?? null) as string | null],
        );
    },
    async at(key) {
      const [row] = await database.rows('SELECT "sku", "label", "stock", "note" FROM "product" WHERE "sku" = ?', [key]);
      return row === undefined ? null : ({ sku: row[0], label: row[1], stock: row[2], note: row[3] } as TargetRow);
    },
    async close() {
      await connector.close();
      await database.close();
    },
  };
});

describe('a Firebird table as a target', () => {
  let database: TestFirebird;
  const opened: FirebirdTarget[] = [];

  beforeEach(async () => {
    database = await openTestFirebird('WIN1252');
  });
  afterEach(async () => {
    for (const target of opened.splice(0)) await target.close();
    await database.close();
  });

  function target(declared: Partial<TableDeclaration>): FirebirdTarget {
    const made = targetAt(database, [{ ...products, ...declared }]);
    opened.push(made);
    return made;
  }

  async function write(made: FirebirdTarget, row: TargetRow): Promise<TargetRow | null> {
    const key = made.keyOf('product', row)!;
    const [result] = await made.write('product', [{ key, decide: () => ({ kind: 'write', row }) }]);
    return result?.kind === 'written' ? result.returned : null;
  }

  it('every value comes back as the column holds it', async () => {
    await database.run(
      `CREATE TABLE "Odd ""name" ("sku" INT NOT NULL PRIMARY KEY, CODE CHAR(5), PRICE NUMERIC(18,2), BIG BIGINT, CHANGED TIMESTAMP, DAY_ DATE,
         TM TIME, F FLOAT, FLAG BOOLEAN, NOTE BLOB SUB_TYPE TEXT, RAW BLOB, N VARCHAR(5) CHARACTER SET NONE, O CHAR(2) CHARACTER SET OCTETS,
         J VARCHAR(50), TWICE COMPUTED BY ("sku" * 2))`,
    );
    const made = target({ table: 'Odd "name' });
    await made.open();
    const row = parseExact(
      `{"sku":7,"CODE":"añ","PRICE":1234567890123456.785,"BIG":9223372036854775807,"CHANGED":"2026-03-01T01:00:00.12345+02:00",
        "DAY_":"9999-12-31","TM":"10:00:00","F":0.1,"FLAG":true,"NOTE":"${'€ long '.repeat(2_000)}","RAW":"AP8=","N":"ñ€","O":"AP8=","J":{"a":[1]}}`,
    ) as TargetRow;
    const returned = parseExact(stringifyExact((await write(made, row))!));
    expect(returned).toEqual({
      ...row,
      PRICE: parseExact('1234567890123456.79'),
      CHANGED: '2026-02-28T23:00:00.1234',
      J: '{"a":[1]}',
      TWICE: 14,
    });
    expect(await write(made, { sku: 7, NOTE: null, FLAG: false })).toMatchObject({ NOTE: null, FLAG: false, CODE: 'añ' });
  });

  it('what was not said gets the default of its column, and so does null where the column takes none', async () => {
    await database.run(
      `CREATE TABLE "product" ("sku" VARCHAR(5) NOT NULL PRIMARY KEY, A INT DEFAULT 5 NOT NULL, B VARCHAR(5) DEFAULT 'b', C VARCHAR(5) DEFAULT 'c', D INT DEFAULT 6 NOT NULL)`,
    );
    const made = target({});
    await made.open();
    expect(await write(made, { sku: 'A', A: null, C: null })).toEqual({ sku: 'A', A: 5, B: 'b', C: null, D: 6 });
    expect(await write(made, { sku: 'A', A: null, B: null, D: 9 })).toEqual({ sku: 'A', A: 5, B: null, C: null, D: 9 });
  });

  it('a key of several columns finds its row, and the rows are told in its order', async () => {
    await database.run('CREATE TABLE "product" (SHOP INT NOT NULL, SKU VARCHAR(9) NOT NULL, STOCK INT, PRIMARY KEY (SKU, SHOP))');
    const made = target({ key: ['SHOP', 'SKU'] });
    await made.open();
    expect(made.keyOf('product', { SHOP: 7, SKU: 'a/b%' })).toBe('7/a%2Fb%25');
    for (const SHOP of [7, 6, 10]) await write(made, { SHOP, SKU: 'a/b%', STOCK: SHOP });
    expect(await write(made, { SHOP: 7, SKU: 'a/b%', STOCK: 2 })).toEqual({ SHOP: 7, SKU: 'a/b%', STOCK: 2 });
    const begin = await made.readRange('product', null, 2);
    expect(begin.rows.map(({ key }) => key)).toEqual(['6/a%2Fb%25', '7/a%2Fb%25']);
    expect(await made.readRange('product', begin.next, 2)).toEqual({
      rows: [{ key: '10/a%2Fb%25', row: { SHOP: 10, SKU: 'a/b%', STOCK: 10 } }],
      next: null,
    });
    expect((await made.readKeys('product', ['7/a%2Fb%25', 'x/y', '1/z'])).map(({ key }) => key)).toEqual(['7/a%2Fb%25']);
    const [gone] = await made.write('product', [{ key: '7/a%2Fb%25', decide: () => ({ kind: 'delete' }) }]);
    expect(gone).toMatchObject({ kind: 'written', replaced: { STOCK: 2 }, returned: null });
  });

  it('a row is found by its key however that is written, and told with the key that was asked for', async () => {
    await database.run('CREATE TABLE "product" ("sku" CHAR(4) NOT NULL PRIMARY KEY, STOCK INT)');
    const made = target({});
    await made.open();
    await write(made, { sku: 'a', STOCK: 1 });
    expect(await made.readKeys('product', ['a', 'a   ', 'b', 'longer than any'])).toEqual([
      { key: 'a', row: { sku: 'a', STOCK: 1 } },
      { key: 'a   ', row: { sku: 'a', STOCK: 1 } },
    ]);
  });

  it('a table that is not fit says what to do', async () => {
    await expect(target({}).open()).rejects.toMatchObject({
      code: 'target.misconfigured',
      message: expect.stringContaining('"product" does not exist'),
    });
    await database.run('CREATE TABLE "product" ("sku" VARCHAR(5), "title" VARCHAR(5))');
    await expect(target({}).open()).rejects.toThrow('no unique index stands over the key');
    await database.run('CREATE UNIQUE INDEX I ON "product" ("sku")');
    await expect(target({ columns: ['sku', 'titel'] }).open()).rejects.toThrow('did you mean "title"?');
    await target({ columns: ['sku', 'title'] }).open();
    const user = `W${Date.now().toString(36).toUpperCase()}`;
    await database.run(`CREATE USER ${user} PASSWORD 'writer'`);
    const poor = new FirebirdTarget({
      place: { ...database.place, user, password: 'writer' },
      connectionsMax: 1,
      tables: [products],
    });
    opened.push(poor);
    await database.run(`GRANT SELECT ON "product" TO USER ${user}`);
    await expect(poor.open()).rejects.toThrow(`GRANT INSERT, UPDATE, DELETE ON "product" TO USER "${user}"`);
    await database.run(`DROP USER ${user}`);
  });

  it('a database that is read-only says so', async () => {
    await createProducts(database);
    await database.pool.close();
    const { host, port, database: file, user, password } = database.place;
    execFileSync('gfix', ['-mode', 'read_only', '-user', user, '-password', password, `${host}/${port}:${file}`]);
    await expect(target({}).open()).rejects.toMatchObject({
      code: 'target.misconfigured',
      message: expect.stringContaining('is read-only'),
    });
  });

  it('what a column cannot hold is the fault of its row', async () => {
    await createProducts(database);
    const made = target({});
    await made.open();
    for (const row of [
      { sku: 'A', stock: 'many' },
      { sku: 'A', label: 'x'.repeat(41) },
      { sku: 'A', label: 'Ж' },
      { sku: 'A', stock: 3_000_000_000 },
      { sku: 'A', lable: 'x' },
    ])
      await expect(write(made, row), JSON.stringify(row)).rejects.toBeInstanceOf(TargetRejected);
    await database.run('CREATE UNIQUE INDEX LABELS ON "product" ("label")');
    await write(made, { sku: 'A', label: 'x' });
    await expect(write(made, { sku: 'B', label: 'x' })).rejects.toBeInstanceOf(TargetRejected);
  });

  it('a row that somebody else inserts in between is decided on anew', async () => {
    await createProducts(database);
    const made = target({});
    await made.open();
    const seen: (TargetRow | null)[] = [];
    let decided: () => void = () => undefined;
    const first = new Promise<void>((resolve) => {
      decided = resolve;
    });
    const writing = await database.pool.transact('write', async (other) => {
      await other.run(`INSERT INTO "product" ("sku", "stock") VALUES ('N', 7)`);
      const written = made.write('product', [
        {
          key: 'N',
          decide(found) {
            seen.push(found);
            decided();
            return found === null ? { kind: 'write', row: { sku: 'N', stock: 1 } } : { kind: 'leave' };
          },
        },
      ]);
      await first;
      return { written };
    });
    expect(await writing.written).toMatchObject([{ kind: 'left', found: { stock: 7 } }]);
    expect(seen).toMatchObject([null, { stock: 7 }]);
  });
});
