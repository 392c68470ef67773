import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestSqlServer, openTestServer, type TestServer, type TestSqlServer } from '../../tests/sqlserver-database.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';
import { type DdlWish, planDdl } from './ddl-plan.ts';
import { placeFrom, placeOptions } from './sqlserver-place.ts';

let server: TestServer;
let erp: TestSqlServer;
let store: TestDatabase;

beforeAll(async () => {
  server = await openTestServer();
  erp = await createTestSqlServer(server.url);
  store = await openTestDatabase();
});
afterAll(async () => {
  await erp.close();
  await server.stop();
  await store.close();
});

function plan(source: string, more: Partial<DdlWish> = {}): Promise<string[]> {
  const place = placeFrom(placeOptions.parse({ url: erp.url, encrypt: false }), 'test');
  return planDdl(place, { source, key: [], watermark: 'ULTIMA_MODIFICACION', schema: 'public', table: undefined, ...more });
}

async function run(statements: readonly string[]): Promise<void> {
  await store.pool.query(['BEGIN', ...statements, 'COMMIT'].join(';\n'));
}

async function columnsOf(table: string): Promise<Record<string, string>> {
  const { rows } = await store.pool.query(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`,
    [table],
  );
  return Object.fromEntries(rows.map(({ name, type }) => [name, type]));
}

test('a table is made with names in small letters, a type that takes every value, and an index on the modification', async () => {
  await erp.run(
    `CREATE TABLE Cliente (Id INT NOT NULL, Tienda SMALLINT NOT NULL, NOMBRE NVARCHAR(100) NOT NULL, Notas NVARCHAR(MAX), Saldo DECIMAL(38,10),
       Precio MONEY, Tasa FLOAT, Activo BIT, Ref UNIQUEIDENTIFIER, Foto VARBINARY(MAX), Alta DATETIME, Zona DATETIMEOFFSET(7), Dia DATE, Hora TIME(3),
       [select] CHAR(5), rv ROWVERSION, ULTIMA_MODIFICACION DATETIME2(7) NOT NULL, PRIMARY KEY (Tienda, Id))`,
  );
  const statements = await plan('Cliente');
  await run(statements);
  await run(statements);
  expect(await columnsOf('cliente')).toEqual({
    id: 'integer',
    tienda: 'smallint',
    nombre: 'character varying(100)',
    notas: 'text',
    saldo: 'numeric(38,10)',
    precio: 'numeric(19,4)',
    tasa: 'double precision',
    activo: 'boolean',
    ref: 'uuid',
    foto: 'text',
    alta: 'timestamp(3) without time zone',
    zona: 'timestamp(6) with time zone',
    dia: 'date',
    hora: 'time(3) without time zone',
    select: 'character varying(5)',
    rv: 'text',
    ultima_modificacion: 'timestamp(6) without time zone',
    updated_at: 'timestamp with time zone',
  });
  const { rows } = await store.pool.query(`SELECT indexdef FROM pg_indexes WHERE tablename = 'cliente' ORDER BY indexname`);
  expect(rows.map(({ indexdef }) => indexdef.replace(/^.* USING /, ''))).toEqual([
    'btree (tienda, id)',
    'btree (ultima_modificacion)',
  ]);
});

test('updated_at is set when a row comes and moves with every change of it', async () => {
  await erp.run('CREATE TABLE Pedido (ID INT PRIMARY KEY, NOTA NVARCHAR(10))');
  await run(await plan('Pedido', { table: 'orders' }));
  await store.pool.query(`INSERT INTO orders (id, nota) VALUES (1, 'a'), (2, 'b')`);
  const stamps = async () => {
    const { rows } = await store.pool.query('SELECT updated_at::text AS at FROM orders ORDER BY id');
    return rows.map(({ at }) => at as string);
  };
  const [first, second] = await stamps();
  await store.pool.query(`INSERT INTO orders (id, nota) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET nota = excluded.nota`);
  const [firstAfter, secondAfter] = await stamps();
  expect(firstAfter! > first!).toBe(true);
  expect(secondAfter).toBe(second);
});

test('a column of the source that is called updated_at keeps its own word', async () => {
  await erp.run('CREATE TABLE Ajuste (ID INT PRIMARY KEY, UPDATED_AT DATETIME2(3))');
  await run(await plan('Ajuste'));
  await store.pool.query(`INSERT INTO ajuste (id, updated_at) VALUES (1, '2020-01-01')`);
  await store.pool.query(`UPDATE ajuste SET updated_at = '2021-01-01'`);
  const { rows } = await store.pool.query('SELECT updated_at::text AS at FROM ajuste');
  expect(rows).toEqual([{ at: '2021-01-01 00:00:00' }]);
});

test('a view needs its key, and what is not there is said', async () => {
  await erp.run('CREATE TABLE Base (ID INT PRIMARY KEY, NOTA NVARCHAR(10))', 'CREATE VIEW Vista AS SELECT * FROM Base');
  await expect(plan('Vista')).rejects.toThrow(/no primary key: name the columns under `key`/);
  await run(await plan('Vista', { key: ['id'] }));
  expect(Object.keys(await columnsOf('vista'))).toEqual(['id', 'nota', 'updated_at']);
  await expect(plan('Nada')).rejects.toMatchObject({ code: 'source.misconfigured', message: expect.stringMatching(/Nada/) });
});
