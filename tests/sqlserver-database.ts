import { randomUUID } from 'node:crypto';
import sql from 'mssql';
import { MssqlQuery } from '../connectors/sqlserver/mssql-query.ts';
import { placeFrom, placeOptions } from '../connectors/sqlserver/sqlserver-place.ts';
import type { SqlServerQuery } from '../connectors/sqlserver/sqlserver-query.ts';
import { SqlServerTableReader } from '../connectors/sqlserver/sqlserver-table-reader.ts';
import { TdsServer } from './tds/tds-server.ts';

/** A SQL Server: the one that is named by SYNCLINE_TEST_SQLSERVER_URL, or the double. */
export interface TestServer {
  /** Of an administrator, in `master`. */
  readonly url: string;
  /** It answers nobody until it comes back, and says so; the real one only hangs up. */
  goAway(): Promise<boolean>;
  comeBack(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestSqlServer {
  readonly name: string;
  readonly url: string;
  readonly query: SqlServerQuery;
  run(...statements: string[]): Promise<void>;
  /** A login with a user in this database, who may do nothing yet. */
  newUser(): Promise<{ readonly url: string; readonly user: string }>;
  breakConnections(): Promise<void>;
  close(): Promise<void>;
}

const password = 'Double-1234';

export async function openTestServer(): Promise<TestServer> {
  const real = process.env.SYNCLINE_TEST_SQLSERVER_URL;
  if (real !== undefined && real !== '') {
    return {
      url: real,
      goAway: () => killReaders(real).then(() => false),
      comeBack: async () => undefined,
      stop: async () => undefined,
    };
  }
  const double = await TdsServer.start(password);
  return {
    url: `sqlserver://sa:${password}@127.0.0.1:${double.port}/master`,
    goAway: () => double.goAway().then(() => true),
    comeBack: () => double.comeBack(),
    stop: () => double.stop(),
  };
}

function placeOf(url: string, applicationName: string, timeout: string) {
  return placeFrom(placeOptions.parse({ url, timeout, encrypt: false, trustServerCertificate: true }), applicationName);
}

export function sqlServerQuery(url: string, applicationName = 'test', timeout = '15s'): SqlServerQuery {
  return new MssqlQuery(placeOf(url, applicationName, timeout), 4);
}

export function sqlServerReader(url: string, timeout = '15s'): SqlServerTableReader {
  const place = placeOf(url, 'reader', timeout);
  return new SqlServerTableReader(new MssqlQuery(place, 4), place);
}

/** Ends the connections of readers under test, as somebody with the right to may. */
async function killReaders(server: string): Promise<void> {
  const admin = sqlServerQuery(server);
  try {
    const readers = await admin.run(
      `SELECT CONVERT(varchar(11), session_id) FROM sys.dm_exec_sessions WHERE program_name = 'reader'`,
    );
    for (const [id] of readers) await admin.run(`KILL ${id}`).catch(() => undefined);
  } finally {
    await admin.close();
  }
}

/** Does its work while a transaction of somebody else has run this statement and not yet committed. */
export async function whileOpen(url: string, statement: string, work: () => Promise<void>): Promise<void> {
  const { host, port, database, user, password: secret } = placeOf(url, 'somebody else', '15s');
  const pool = await new sql.ConnectionPool({
    ...{ server: host, port, database, user, password: secret },
    options: { encrypt: false, trustServerCertificate: true },
  }).connect();
  try {
    const transaction = new sql.Transaction(pool);
    await transaction.begin();
    await transaction.request().query(statement);
    await work();
    await transaction.commit();
  } finally {
    await pool.close();
  }
}

/** A database of the test's own. */
export async function createTestSqlServer(server: string): Promise<TestSqlServer> {
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  const url = Object.assign(new URL(server), { pathname: `/${name}` }).href;
  const admin = sqlServerQuery(server);
  await admin.run(`CREATE DATABASE ${name}`);
  const query = sqlServerQuery(url);
  const logins: string[] = [];
  return {
    name,
    url,
    query,
    async run(...statements) {
      for (const statement of statements) await query.run(statement);
    },
    async newUser() {
      const user = `u_${randomUUID().slice(0, 8)}`;
      logins.push(user);
      await query.run(`CREATE LOGIN ${user} WITH PASSWORD = '${password}', CHECK_POLICY = OFF`);
      await query.run(`CREATE USER ${user} FOR LOGIN ${user}`);
      return { user, url: Object.assign(new URL(url), { username: user, password }).href };
    },
    breakConnections: () => killReaders(server),
    async close() {
      await query.close();
      await admin.run(`ALTER DATABASE ${name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE`);
      await admin.run(`DROP DATABASE ${name}`);
      for (const login of logins) await admin.run(`DROP LOGIN ${login}`);
      await admin.close();
    },
  };
}
