import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseExact } from '../../core/json.ts';
import type { TargetRow } from '../../core/ports/target-connector.ts';
import { describeTargetConnector } from '../../tests/contracts/target-connector.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';
import type { TableDeclaration } from '../tables/table-declaration.ts';
import { PostgresTarget } from './postgres-target.ts';

const products: TableDeclaration = { kind: 'product', table: 'product', key: ['sku'], deletes: true, columns: undefined };

const tables = `
  CREATE TABLE product (sku TEXT PRIMARY KEY, label TEXT, stock INT NOT NULL DEFAULT 0 CHECK (stock >= 0), note TEXT);
  CREATE FUNCTION capitals() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.label := upper(NEW.label); RETURN NEW; END $$;
  CREATE TRIGGER capitals BEFORE INSERT OR UPDATE ON product FOR EACH ROW EXECUTE FUNCTION capitals();
`;

function targetAt(url: string, declared: readonly TableDeclaration[] = [products], timeoutMs = 20_000): PostgresTarget {
  return new PostgresTarget({ url, connectionsMax: 4, timeoutMs, tables: declared, applicationName: 'test' });
}

async function rowAt({ pool }: TestDatabase, table: string, key: string): Promise<TargetRow | null> {
  const { rows } = await pool.query<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM ${table} t WHERE sku = $1`, [key]);
  return rows[0] === undefined ? null : (parseExact(rows[0].row) as TargetRow);
}

describeTargetConnector('PostgreSQL', async () => {
  const database = await openTestDatabase();
  await database.pool.query(tables);
  const connector = targetAt(database.url);
  await connector.open();
  return {
    connector,
    async put(key, row) {
      if (row === null) await database.pool.query('DELETE FROM product WHERE sku = $1', [key]);
      else
        await database.pool.query(
          `INSERT INTO product SELECT * FROM jsonb_populate_record(NULL::product, $1)
           ON CONFLICT (sku) DO UPDATE SET label = excluded.label, stock = excluded.stock, note = excluded.note`,
          [JSON.stringify({ stock: 0, ...row, sku: key })],
        );
    },
    at: (key) => rowAt(database, 'product', key),
    async close() {
      await connector.close();
      await database.close();
    },
  };
});

describe('a PostgreSQL table as a target', () => {
  let database: TestDatabase;
  const opened: PostgresTarget[] = [];

  beforeEach(async () => {
    database = await openTestDatabase();
  });
  afterEach(async () => {
    for (const target of opened.splice(0)) await target.close();
    await database.close();
  });

  function target(declared: Partial<TableDeclaration>, url = database.url): PostgresTarget {
    const made = targetAt(url, [{ ...products, ...declared }]);
    opened.push(made);
    return made;
  }

  async function write(made: PostgresTarget, row: TargetRow): Promise<TargetRow | null> {
    const key = made.keyOf('product', row)!;
    const [result] = await made.write('product', [{ key, decide: () => ({ kind: 'write', row }) }]);
    return result?.kind === 'written' ? result.returned : null;
  }

  it('every value comes back as the column holds it', async () => {
    await database.pool.query(
      `CREATE TABLE "Odd ""name" (sku TEXT PRIMARY KEY, code CHAR(5), price NUMERIC(30,2), big NUMERIC, at TIMESTAMPTZ, day DATE,
         tags TEXT[], extra JSONB, raw BYTEA, flag BOOLEAN, "Mixed Case" INT, id BIGINT GENERATED ALWAYS AS IDENTITY,
         twice INT GENERATED ALWAYS AS ("Mixed Case" * 2) STORED)`,
    );
    const made = target({ table: 'Odd "name' });
    await made.open();
    const row = parseExact(
      `{"sku":"A","code":"ab","price":12345678901234567890.125,"big":0.12345678901234567890123,"at":"2026-03-01T12:00:00+02:00",
        "day":"2026-03-01","tags":["a","b"],"extra":{"a":[1,null]},"raw":"\\\\x00ff","flag":true,"Mixed Case":7}`,
    ) as TargetRow;
    expect(JSON.parse(JSON.stringify(await write(made, row), (_name, value) => (value?.text as string) ?? value))).toMatchObject({
      sku: 'A',
      code: 'ab   ',
      at: '2026-03-01T10:00:00+00:00',
      day: '2026-03-01',
      tags: ['a', 'b'],
      extra: { a: [1, null] },
      raw: '\\x00ff',
      flag: true,
      'Mixed Case': 7,
      id: 1,
      twice: 14,
    });
    const { rows } = await database.pool.query('SELECT price::text, big::text FROM "Odd ""name"');
    expect(rows).toEqual([{ price: '12345678901234567890.13', big: '0.12345678901234567890123' }]);
  });

  it('what was not said gets the default of its column, and so does null where the column takes none', async () => {
    await database.pool.query(
      `CREATE TABLE product (sku TEXT PRIMARY KEY, a INT NOT NULL DEFAULT 5, b TEXT DEFAULT 'b', c TEXT DEFAULT 'c', d INT NOT NULL DEFAULT 6)`,
    );
    const made = target({});
    await made.open();
    expect(await write(made, { sku: 'A', a: null, c: null })).toEqual({ sku: 'A', a: 5, b: 'b', c: null, d: 6 });
    expect(await write(made, { sku: 'A', a: null, b: null, d: 9 })).toEqual({ sku: 'A', a: 5, b: null, c: null, d: 9 });
  });

  it('a key of several columns finds its row', async () => {
    await database.pool.query('CREATE TABLE product (shop INT, sku TEXT, stock INT, UNIQUE (sku, shop))');
    const made = target({ key: ['shop', 'sku'] });
    await made.open();
    expect(made.keyOf('product', { shop: 7, sku: 'a/b%' })).toBe('7/a%2Fb%25');
    expect(await write(made, { shop: 7, sku: 'a/b%', stock: 1 })).toEqual({ shop: 7, sku: 'a/b%', stock: 1 });
    expect(await write(made, { shop: 7, sku: 'a/b%', stock: 2 })).toEqual({ shop: 7, sku: 'a/b%', stock: 2 });
    const [gone] = await made.write('product', [{ key: '7/a%2Fb%25', decide: () => ({ kind: 'delete' }) }]);
    expect(gone).toMatchObject({ kind: 'written', replaced: { stock: 2 }, returned: null });
  });

  it('a table that is not fit says what to do', async () => {
    await expect(target({}).open()).rejects.toMatchObject({
      code: 'target.misconfigured',
      message: expect.stringContaining('"public"."product" does not exist'),
    });
    await database.pool.query('CREATE TABLE product (sku TEXT, title TEXT)');
    await expect(target({}).open()).rejects.toThrow('CREATE UNIQUE INDEX ON "public"."product" ("sku")');
    await database.pool.query('CREATE UNIQUE INDEX ON product (sku) WHERE title IS NOT NULL');
    await expect(target({}).open()).rejects.toThrow('no unique index');
    await database.pool.query('CREATE UNIQUE INDEX ON product (sku)');
    await expect(target({ columns: ['sku', 'titel'] }).open()).rejects.toThrow(
      'the mapping rule `fields.titel` names "titel", but "public"."product" has no such column: did you mean "title"?',
    );
    await target({ columns: ['sku', 'title'] }).open();
  });

  it('a column that the table lacks is a fault of the row that names it', async () => {
    await database.pool.query(tables);
    const made = target({});
    await made.open();
    await write(made, { sku: 'B', stock: 1 });
    const batch = [
      { key: 'B', decide: () => ({ kind: 'delete' }) as const },
      { key: 'A', decide: () => ({ kind: 'write', row: { sku: 'A', lable: 'x' } }) as const },
    ];
    await expect(made.write('product', batch)).rejects.toThrow('did you mean "label"?');
    expect(await rowAt(database, 'product', 'B')).toMatchObject({ stock: 1 });
  });

  it('a row that somebody else inserts in between is decided on anew', async () => {
    await database.pool.query(tables);
    const made = target({});
    await made.open();
    const other = await database.pool.connect();
    const seen: (TargetRow | null)[] = [];
    try {
      await other.query(`BEGIN; INSERT INTO product (sku, stock) VALUES ('N', 7)`);
      const writing = made.write('product', [
        {
          key: 'N',
          decide(found) {
            seen.push(found);
            return found === null ? { kind: 'write', row: { sku: 'N', stock: 1 } } : { kind: 'leave' };
          },
        },
      ]);
      await expect
        .poll(async () => (await other.query(`SELECT 1 FROM pg_locks WHERE NOT granted`)).rowCount, { timeout: 60_000 })
        .toBeGreaterThan(0);
      await other.query('COMMIT');
      expect(await writing).toMatchObject([{ kind: 'left', found: { stock: 7 } }]);
      expect(seen[0]).toBeNull();
    } finally {
      other.release();
    }
  });

  it('a user without the right is told the GRANT', async () => {
    await database.pool.query(tables);
    const name = new URL(database.url).pathname.slice(1);
    await database.pool.query(
      `CREATE ROLE "${name}_reader" LOGIN PASSWORD 'p'; GRANT SELECT, INSERT ON product TO "${name}_reader"`,
    );
    try {
      const url = new URL(database.url);
      url.username = `${name}_reader`;
      url.password = 'p';
      const made = target({}, url.href);
      await expect(made.open()).rejects.toThrow(`GRANT UPDATE, DELETE ON "public"."product" TO "${name}_reader"`);
      await database.pool.query(`GRANT UPDATE ON product TO "${name}_reader"`);
      await target({ deletes: false }, url.href).open();
      await database.pool.query(`ALTER ROLE "${name}_reader" SET default_transaction_read_only = on`);
      await expect(target({ deletes: false }, url.href).open()).rejects.toThrow('SET default_transaction_read_only = off');
    } finally {
      for (const made of opened.splice(0)) await made.close();
      await database.pool.query(`DROP OWNED BY "${name}_reader"; DROP ROLE "${name}_reader"`);
    }
  });

  it('a target that does not answer in time is unavailable, and works again when it does', async () => {
    await database.pool.query(tables);
    const made = targetAt(database.url, [products], 300);
    opened.push(made);
    await made.open();
    const holder = await database.pool.connect();
    try {
      await holder.query('BEGIN; LOCK TABLE product');
      await expect(write(made, { sku: 'A', stock: 1 })).rejects.toMatchObject({ code: 'target.unavailable' });
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
    expect(await write(made, { sku: 'A', stock: 1 })).toMatchObject({ stock: 1 });
  });

  it('what a trigger objects to is a fault of the row', async () => {
    await database.pool.query(`${tables}
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no %', NEW.sku; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON product FOR EACH ROW WHEN (NEW.note = 'bad') EXECUTE FUNCTION refuse();`);
    const made = target({});
    await made.open();
    await expect(write(made, { sku: 'A', note: 'bad' })).rejects.toThrow('no A');
    await expect(write(made, { sku: 'A', stock: 'many' })).rejects.toThrow('integer');
  });
});
