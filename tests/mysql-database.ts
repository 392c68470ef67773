import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { placeFrom, placeOptions } from '../connectors/mysql/mysql-place.ts';
import { MysqlPool } from '../connectors/mysql/mysql-pool.ts';
import { useSharedStack } from '../stack/shared-stack.ts';

export interface TestMysql {
  readonly name: string;
  readonly url: string;
  readonly pool: MysqlPool;
  run(...statements: string[]): Promise<void>;
  /** Values as the server's own text. */
  rows(statement: string): Promise<(string | null)[][]>;
  /** A pool of a user who may do nothing yet, and that user as a GRANT names it. */
  newUser(): Promise<{ readonly url: string; readonly user: string }>;
  close(): Promise<void>;
}

/** A database of the test's own on the shared server. */
export async function openTestMysql(): Promise<TestMysql> {
  const { mariadb } = await useSharedStack(inject('stack'), ['mariadb']);
  return createTestMysql(mariadb);
}

export function mysqlPool(url: string, connectionsMax = 4, timeout = '15s', applicationName = 'test'): MysqlPool {
  return new MysqlPool(placeFrom(placeOptions.parse({ url, timeout }), applicationName), connectionsMax);
}

export async function createTestMysql(server: string): Promise<TestMysql> {
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  const inside = (database: string) => Object.assign(new URL(server), { pathname: `/${database}` }).href;
  const admin = mysqlPool(inside('mysql'), 1);
  await admin.use((session) => session.run([`CREATE DATABASE ${name} CHARACTER SET utf8mb4`]));
  const pool = mysqlPool(inside(name));
  const users: string[] = [];
  return {
    name,
    url: inside(name),
    pool,
    async run(...statements) {
      await pool.use((session) => session.run(statements));
    },
    rows: (statement) =>
      pool.use(async (session) =>
        (await session.rows(statement)).map((row) => row.map((cell) => cell?.toString('utf8') ?? null)),
      ),
    async newUser() {
      const short = `u_${randomUUID().slice(0, 8)}`;
      const user = `'${short}'@'127.0.0.1'`;
      users.push(user);
      await admin.use((session) => session.run([`CREATE USER ${user} IDENTIFIED BY 'p'`]));
      return { user, url: Object.assign(new URL(inside(name)), { username: short, password: 'p' }).href };
    },
    async close() {
      await pool.close();
      await admin.use((session) => session.run([`DROP DATABASE ${name}`, ...users.map((user) => `DROP USER ${user}`)]));
      await admin.close();
    },
  };
}
