import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { createPool } from '../../adapters/postgres/pool.ts';
import { placeFrom, placeOptions } from '../../connectors/mysql/mysql-place.ts';
import { MysqlPool } from '../../connectors/mysql/mysql-pool.ts';
import { startPgbouncer } from '../../stack/pgbouncer.ts';
import { acquireTestStack } from '../../stack/test-stack.ts';
import { openTlsDoor } from '../../stack/tls-door.ts';
import { type RunningWordpress, startWordpress } from '../../stack/wordpress.ts';
import { neonSide, postgresSide, type Side, supabaseSide, wordpressSide } from './side.ts';

/** What config.yml asks of the environment. */
export const settings = [
  ...['SUPABASE_URL', 'SUPABASE_DIRECT_URL', 'SUPABASE_CA', 'POSTGRES_URL'],
  ...['WORDPRESS_DATABASE_URL', 'WORDPRESS_URL', 'NEON_URL', 'NEON_DIRECT_URL', 'NEON_CA'],
] as const;

/** Four systems of our own, and gone with all their data when they are stopped. */
export interface FourSystems {
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly supabase: pg.Pool;
  readonly postgres: pg.Pool;
  readonly neon: pg.Pool;
  readonly wordpress: RunningWordpress;
  /** The master first. */
  readonly sides: readonly Side[];
  stop(): Promise<void>;
}

const tables = {
  supabase: `
    CREATE TABLE products (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT,
      price NUMERIC(10,2) NOT NULL, stock INT NOT NULL DEFAULT 0, status TEXT NOT NULL DEFAULT 'active', updated_at TIMESTAMPTZ NOT NULL DEFAULT now());
    ALTER TABLE products REPLICA IDENTITY FULL;
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END $$;
    CREATE TRIGGER touch BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION touch()`,
  postgres: `
    CREATE SCHEMA shop;
    CREATE TABLE shop.article (code TEXT PRIMARY KEY, title TEXT NOT NULL, note TEXT, price_cents BIGINT NOT NULL, quantity INT NOT NULL,
      state CHAR(1) NOT NULL DEFAULT 'A')`,
  neon: `
    CREATE TABLE items (sku TEXT PRIMARY KEY, label TEXT, body TEXT, amount NUMERIC(12,4), on_hand INT, visibility TEXT DEFAULT 'live', slug TEXT)`,
};

/**
 * PostgreSQL three times, two of them as a hosting service offers it: behind a pooler in transaction mode, directly for
 * replication, and both over TLS; and a WordPress on MariaDB.
 */
export async function startSystems(onProgress: (line: string) => void, signal?: AbortSignal): Promise<FourSystems> {
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  const keep = <T>(opened: T, close: (opened: T) => Promise<unknown>): T => {
    closers.push(() => close(opened));
    return opened;
  };
  try {
    const parts = ['postgres', 'mariadb'] as const;
    const stack = keep(await acquireTestStack(parts, { onProgress, ...(signal === undefined ? {} : { signal }) }), (opened) =>
      opened.stop(),
    );
    const server = stack.addresses.postgres!;
    const open = async (name: keyof typeof tables) => {
      const database = `${name}_shop`;
      await once(server, `CREATE DATABASE ${database}`);
      const url = Object.assign(new URL(server), { pathname: `/${database}` }).href;
      const pool = keep(createPool({ url, connectionsMax: 2, applicationName: 'example' }), (opened) => opened.end());
      await pool.query(tables[name]);
      return { url, pool };
    };
    const host = async (name: 'supabase' | 'neon') => {
      const { url, pool } = await open(name);
      const pooler = keep(await startPgbouncer(url), (opened) => opened.stop());
      const door = keep(await openTlsDoor(url, pooler), (opened) => opened.close());
      return { pool, pooled: pooler.url, direct: door.url, certificates: pooler.certificateFile };
    };
    const supabase = await host('supabase');
    const postgres = await open('postgres');
    const neon = await host('neon');

    const blog = await openMysql(stack.addresses.mariadb!, 'blog');
    keep(blog.pool, (opened) => opened.close());
    const directory = join(stack.dataDir, 'wordpress');
    mkdirSync(directory);
    const wordpress = keep(await startWordpress({ database: blog.url, directory, onProgress }), (opened) => opened.stop());
    onProgress('wordpress: installed');
    return {
      environment: {
        SUPABASE_URL: supabase.pooled,
        SUPABASE_DIRECT_URL: supabase.direct,
        SUPABASE_CA: supabase.certificates,
        POSTGRES_URL: postgres.url,
        WORDPRESS_DATABASE_URL: blog.url,
        WORDPRESS_URL: wordpress.url,
        NEON_URL: neon.pooled,
        NEON_DIRECT_URL: neon.direct,
        NEON_CA: neon.certificates,
      },
      directory: stack.dataDir,
      supabase: supabase.pool,
      postgres: postgres.pool,
      neon: neon.pool,
      wordpress,
      sides: [supabaseSide(supabase.pool), postgresSide(postgres.pool), wordpressSide(blog.pool), neonSide(neon.pool)],
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Makes a page that is a product: its key comes last, so that nobody sees half of it. */
export function makePage(wordpress: RunningWordpress, page: PageText): Promise<string> {
  const text = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  return wordpress.php(`$id = wp_insert_post(['post_type' => 'page', 'post_status' => 'publish',
      'post_title' => ${text(page.name)}, 'post_content' => ${text(page.content)}]);
    update_post_meta($id, '_price', ${text(page.price)}); update_post_meta($id, '_stock', ${text(String(page.stock))});
    update_post_meta($id, '_sku', ${text(page.sku)}); echo $id;`);
}

export interface PageText {
  readonly sku: string;
  readonly name: string;
  readonly content: string;
  readonly price: string;
  readonly stock: number;
}

async function once(url: string, statement: string): Promise<void> {
  const pool = createPool({ url, connectionsMax: 1, applicationName: 'example' });
  try {
    await pool.query(statement);
  } finally {
    await pool.end();
  }
}

async function openMysql(server: string, name: string): Promise<{ url: string; pool: MysqlPool }> {
  const inside = (database: string) => Object.assign(new URL(server), { pathname: `/${database}` }).href;
  const connect = (url: string) => new MysqlPool(placeFrom(placeOptions.parse({ url }), 'example'), 2);
  const admin = connect(inside('mysql'));
  await admin.use((session) => session.run([`CREATE DATABASE ${name} CHARACTER SET utf8mb4`]));
  await admin.close();
  return { url: inside(name), pool: connect(inside(name)) };
}
