import { findFirebird, provideFirebird } from './firebird-binaries.ts';
import { findJava } from './java.ts';
import { isKafkaReady, provideKafka } from './kafka.ts';
import { findMariadb, provideMariadb } from './mariadb-binaries.ts';
import { findMaven, provideMaven } from './maven.ts';
import type { FetchContext } from './package-cache.ts';
import { findPgbouncer, providePgbouncer } from './pgbouncer.ts';
import { choosePostgres, findPostgres } from './postgres-binaries.ts';
import { findRedis, provideRedis } from './redis.ts';
import { isRegistryReady, provideRegistry } from './registry.ts';
import { findWordpress, provideWordpress } from './wordpress-files.ts';

/** One thing the embedded stack needs on this machine. */
export interface InventoryItem {
  readonly name: string;
  readonly purpose: string;
  /** Wanted by tests alone: without it the others run. */
  readonly optional?: true;
  /** Where it is, or nothing. */
  find(): Promise<string | undefined>;
  /** Installs or fetches what is missing and returns where it is. */
  provide(context: FetchContext): Promise<string>;
}

/** In the order in which they need each other; Kafka and the registry bring the Java they run on. */
export const inventory: readonly InventoryItem[] = [
  {
    name: 'postgres',
    purpose: 'keeps the state',
    find: async () => describePostgres((await findPostgres())[0]),
    provide: async (context) => describePostgres(await choosePostgres('', context.packagedOnly)) ?? '',
  },
  {
    name: 'maven',
    purpose: 'fetches Kafka, Redis and the schema registry',
    find: async () => findMaven(),
    provide: (context) => provideMaven('it fetches Kafka, Redis and the schema registry', context),
  },
  {
    name: 'redis',
    purpose: 'remembers the last state of every record',
    find: () => findRedis(),
    provide: provideRedis,
  },
  {
    name: 'kafka',
    purpose: 'carries the changes',
    find: async () => describe(await isKafkaReady(), (await findJava(17))?.binary),
    provide: async (context) => describe(true, (await provideKafka(context)).java.binary) ?? '',
  },
  {
    name: 'registry',
    purpose: 'keeps the Avro schemas',
    find: async () => describe(await isRegistryReady(), (await findJava(21))?.binary),
    provide: async (context) => describe(true, (await provideRegistry(context)).java.binary) ?? '',
  },
  {
    name: 'firebird',
    purpose: 'stands for the Firebird databases of the tests',
    optional: true,
    find: async () => findFirebird()?.server,
    provide: async (context) => (await provideFirebird(context)).server,
  },
  {
    name: 'mariadb',
    purpose: 'stands for the MySQL and MariaDB databases of the tests',
    optional: true,
    find: async () => findMariadb()?.server,
    provide: async (context) => (await provideMariadb(context)).server,
  },
  {
    name: 'pgbouncer',
    purpose: 'is the pooler of the tests',
    optional: true,
    find: async () => findPgbouncer(),
    provide: providePgbouncer,
  },
  {
    name: 'wordpress',
    purpose: 'is the WordPress of the tests',
    optional: true,
    find: async () => (await findWordpress())?.folder,
    provide: async (context) => (await provideWordpress(context)).folder,
  },
];

function describe(ready: boolean, java: string | undefined): string | undefined {
  return ready && java !== undefined ? `in the cache, on ${java}` : undefined;
}

function describePostgres(found: { folder: string; majorVersion: number } | undefined): string | undefined {
  return found === undefined ? undefined : `${found.folder} (${found.majorVersion})`;
}
