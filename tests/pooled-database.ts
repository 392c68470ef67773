import { startPgbouncer } from '../stack/pgbouncer.ts';
import { openTlsDoor } from '../stack/tls-door.ts';
import { openTestDatabase, type TestDatabase } from './test-database.ts';

export interface PooledDatabase extends TestDatabase {
  /** Through a pooler in transaction mode, over TLS. */
  readonly pooledUrl: string;
  /** Past the pooler, over TLS as well. */
  readonly directUrl: string;
  readonly certificateFile: string;
  /** As a database that sleeps: no connection comes through until it is woken. */
  sleep(): void;
  wake(): void;
}

/** A database as a hosting service offers it. */
export async function openPooledDatabase(): Promise<PooledDatabase> {
  const database = await openTestDatabase();
  const pooler = await startPgbouncer(database.url);
  const door = await openTlsDoor(database.url, pooler);
  return {
    ...database,
    pooledUrl: pooler.url,
    directUrl: door.url,
    certificateFile: pooler.certificateFile,
    sleep: () => door.shut(true),
    wake: () => door.shut(false),
    async close() {
      await door.close();
      await pooler.stop();
      await database.close();
    },
  };
}
