import { hash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type pg from 'pg';
import { SyncError } from '../../core/errors.ts';
import { advisoryLocks } from './advisory-locks.ts';

const folder = new URL('./migrations/', import.meta.url);

export interface MigrationReport {
  readonly applied: readonly string[];
  readonly present: number;
}

/** Brings the tables to this version. Each file runs once, in one transaction; a changed file is refused. */
export async function migrate(pool: pg.Pool): Promise<MigrationReport> {
  const client = await pool.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [advisoryLocks.migration]);
    await client.query(
      'CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, checksum CHAR(64) NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())',
    );
    const stored = await client.query<{ name: string; checksum: string }>('SELECT name, checksum FROM schema_migrations');
    const known = new Map(stored.rows.map((row) => [row.name, row.checksum]));
    const files = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
    const applied: string[] = [];
    for (const name of files) {
      const sql = await readFile(new URL(name, folder), 'utf8');
      const checksum = hash('sha256', sql, 'hex');
      const before = known.get(name);
      if (before === checksum) continue;
      if (before !== undefined) {
        throw new SyncError('config.invalid', `migration ${name} was changed after it was applied to this database`);
      }
      await applyFile(client, name, checksum, sql);
      applied.push(name);
    }
    return { applied, present: known.size };
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [advisoryLocks.migration]).catch(() => undefined);
    client.release();
  }
}

async function applyFile(client: pg.PoolClient, name: string, checksum: string, sql: string): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(sql);
    await client.query('INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)', [name, checksum]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}
