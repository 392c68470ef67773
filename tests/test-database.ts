import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { migrate } from '../adapters/postgres/migrate.ts';
import { createPool } from '../adapters/postgres/pool.ts';
import { useSharedStack } from '../stack/shared-stack.ts';

export interface TestDatabase {
  readonly pool: pg.Pool;
  readonly url: string;
  close(): Promise<void>;
}

/** A migrated database of the test's own on the shared server. */
export async function openTestDatabase(connectionsMax = 4): Promise<TestDatabase> {
  const { postgres } = await useSharedStack(inject('stack'), ['postgres']);
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  const server = new pg.Client({ connectionString: postgres });
  await server.connect();
  await server.query(`CREATE DATABASE ${name}`);
  const url = new URL(postgres);
  url.pathname = `/${name}`;
  const pool = createPool({ url: url.href, connectionsMax, applicationName: 'test' });
  await migrate(pool);
  return {
    pool,
    url: url.href,
    async close() {
      await pool.end();
      await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await server.end();
    },
  };
}
