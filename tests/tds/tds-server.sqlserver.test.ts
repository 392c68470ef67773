import sql from 'mssql';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { MssqlQuery } from '../../connectors/sqlserver/mssql-query.ts';
import { placeFrom, placeOptions } from '../../connectors/sqlserver/sqlserver-place.ts';
import { TdsServer } from './tds-server.ts';

/** What the `mssql` client makes of the double, and of its hostilities. */
let server: TdsServer;
let pool: sql.ConnectionPool;
const opened: MssqlQuery[] = [];

beforeAll(async () => {
  server = await TdsServer.start('p-1');
  pool = await new sql.ConnectionPool({
    ...{ server: '127.0.0.1', port: server.port, user: 'sa', password: 'p-1' },
    options: { encrypt: false },
    requestTimeout: 2_000,
  }).connect();
});
afterAll(async () => {
  await pool.close();
  await server.stop();
});
afterEach(async () => {
  for (const query of opened.splice(0)) await query.close();
});

function queryOf(timeout = '5s'): MssqlQuery {
  const url = `sqlserver://sa:p-1@127.0.0.1:${server.port}/master`;
  const query = new MssqlQuery(placeFrom(placeOptions.parse({ url, encrypt: false, timeout }), 'test'), 2);
  opened.push(query);
  return query;
}

test('values come in types of their own, and those the client rounds are why a reader asks for texts', async () => {
  await pool.query(
    'CREATE TABLE typed (n INT, big BIGINT, price DECIMAL(38,10), at DATETIME2(7), flag BIT, raw VARBINARY(10), ratio FLOAT)',
  );
  await pool.query(
    `INSERT INTO typed VALUES (7, 9223372036854775807, 12345678901234567890.0123456789, '2026-03-01T12:00:00.1234567', 1, 0x00ff, 0.1)`,
  );
  const { recordset } = await pool.query('SELECT * FROM typed');
  const [row] = recordset as unknown as [Record<string, unknown>];
  expect(row).toMatchObject({ n: 7, big: '9223372036854775807', flag: true, raw: Buffer.from([0, 255]), ratio: 0.1 });
  expect(row.price).toBe(12345678901234567000);
  expect((row.at as Date).toISOString()).toBe('2026-03-01T12:00:00.123Z');
  const exact = await queryOf().run(
    'SELECT CONVERT(varchar(41), price), CONVERT(varchar(27), at, 121), flag FROM typed WHERE n = @p0',
    ['7'],
  );
  expect(exact[0]!.slice(0, 2)).toEqual(['12345678901234567890.0123456789', '2026-03-01 12:00:00.1234567']);
});

test('an answer of many packets arrives whole, empty fields among full ones', async () => {
  const long = 'ü'.repeat(1_200_000);
  const query = queryOf();
  await query.run('CREATE TABLE lengthy (n INT, words NVARCHAR(MAX), none NVARCHAR(MAX), short NVARCHAR(10))');
  await query.run(`INSERT INTO lengthy VALUES (1, @p0, NULL, N''), (2, N'', NULL, N'é')`, [long]);
  const rows = await query.run('SELECT words, none, short FROM lengthy ORDER BY n');
  expect(rows[0]![0] === long).toBe(true);
  expect([rows[0]!.slice(1), rows[1]]).toEqual([
    [null, ''],
    ['', null, 'é'],
  ]);
});

test('an answer that is cut off in the middle is an error, and the next question is answered', async () => {
  const query = queryOf();
  await query.run('CREATE TABLE cut (words NVARCHAR(100))');
  await query.run(`INSERT INTO cut VALUES (N'a'), (N'b')`);
  server.tornAnswers = 1;
  await expect(query.run('SELECT words FROM cut')).rejects.toThrow();
  expect(await query.run('SELECT words FROM cut ORDER BY words')).toEqual([['a'], ['b']]);
});

test('a question that takes too long is cancelled, and its connection goes on', async () => {
  await pool.query('CREATE TABLE many (n INT)');
  await pool.query(`INSERT INTO many VALUES ${Array.from({ length: 500 }, (_, n) => `(${n})`).join(', ')}`);
  const query = queryOf('1s');
  const endless = 'SELECT COUNT(*) FROM many AS a, many AS b, many AS c, many AS d WHERE a.n + b.n + c.n + d.n < 0';
  await expect(query.run(endless)).rejects.toMatchObject({ code: 'ETIMEOUT' });
  expect(await query.run('SELECT CONVERT(varchar(11), COUNT(*)) FROM many')).toEqual([['500']]);
});

test('a statement is prepared once and run with other values each time', async () => {
  await pool.query('CREATE TABLE prepared (n INT, word NVARCHAR(20))');
  await pool.query(`INSERT INTO prepared VALUES (1, N'one'), (2, N'two')`);
  const statement = new sql.PreparedStatement(pool);
  statement.input('n', sql.Int);
  await statement.prepare('SELECT word FROM prepared WHERE n = @n');
  const wordOf = async (n: number) => (await statement.execute({ n })).recordset;
  expect([await wordOf(1), await wordOf(2), await wordOf(3)]).toEqual([[{ word: 'one' }], [{ word: 'two' }], []]);
  await statement.unprepare();
});

test('what a transaction has written is gone when it is rolled back, and there when it is committed', async () => {
  await pool.query('CREATE TABLE account (n INT PRIMARY KEY)');
  for (const isKept of [false, true]) {
    const transaction = new sql.Transaction(pool);
    await transaction.begin();
    await transaction.request().query('INSERT INTO account VALUES (1)');
    expect((await pool.query('SELECT n FROM account')).recordset).toEqual([]);
    await (isKept ? transaction.commit() : transaction.rollback());
    expect((await pool.query('SELECT n FROM account')).recordset).toEqual(isKept ? [{ n: 1 }] : []);
  }
});

test.each([
  ['SELECT * FROM nothing', 208],
  ['SELECT nothing FROM sys.objects', 207],
  ['CREATE TABLE twice (n INT PRIMARY KEY, w INT NOT NULL); CREATE TABLE twice (n INT)', 2714],
  ['INSERT INTO twice VALUES (1, 1); INSERT INTO twice VALUES (1, 1)', 2627],
  ['INSERT INTO twice VALUES (2, NULL)', 515],
  [`SELECT n FROM twice WHERE n = CONVERT(int, N'x')`, 245],
  [`SELECT n FROM twice WHERE CONVERT(datetime2(7), N'soon', 126) < SYSUTCDATETIME()`, 241],
  ['SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT n FROM twice', 3952],
  ['SELECT FROM WHERE', 102],
  ['CREATE DATABASE master', 1801],
  ['KILL 9999', 6106],
])('%s is refused with the number of SQL Server', async (statement, number) => {
  await expect(queryOf().run(statement)).rejects.toMatchObject({ number });
});
