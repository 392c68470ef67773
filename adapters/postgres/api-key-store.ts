import type pg from 'pg';
import type { ApiKeyRow, ApiKeyStore } from '../../core/ports/api-key-store.ts';
import { advisoryLocks } from './advisory-locks.ts';
import { instantColumn, readError } from './keyset-query.ts';
import { rowsFrom } from './rows.ts';

const columns = `id, name, role, ${instantColumn('created_at', '"createdAt"')}, ${instantColumn('revoked_at', '"revokedAt"')}`;

export function createApiKeyStore(pool: pg.Pool): ApiKeyStore {
  const rows = rowsFrom(pool, readError);

  return {
    async findByHash(keyHash) {
      const [row] = await rows<ApiKeyRow>(`SELECT ${columns} FROM api_keys WHERE key_hash = $1 AND revoked_at IS NULL`, [
        keyHash,
      ]);
      return row === undefined ? null : { ...row, keyHash };
    },

    list: () => rows<ApiKeyRow>(`SELECT ${columns} FROM api_keys ORDER BY api_keys.created_at, id`, []),

    async create(name, role, keyHash) {
      const [row] = await rows<ApiKeyRow>(
        `INSERT INTO api_keys (name, role, key_hash) VALUES ($1, $2, $3) RETURNING ${columns}`,
        [name, role, keyHash],
      );
      return row!;
    },

    async createFirst(name, keyHash) {
      // The lock is taken in a statement of its own: a statement sees what was there when it began.
      const client = await pool.connect().catch((error: unknown) => {
        throw readError(error);
      });
      try {
        await client.query('BEGIN');
        await client.query('SELECT pg_advisory_xact_lock($1)', [advisoryLocks.firstKey]);
        const created = await client.query<ApiKeyRow>(
          `INSERT INTO api_keys (name, role, key_hash) SELECT $1, 'admin', $2
           WHERE NOT EXISTS (SELECT FROM api_keys WHERE revoked_at IS NULL) RETURNING ${columns}`,
          [name, keyHash],
        );
        await client.query('COMMIT');
        return created.rows[0] ?? null;
      } catch (error) {
        await client.query('ROLLBACK').catch(() => undefined);
        throw readError(error);
      } finally {
        client.release();
      }
    },

    async revoke(id) {
      const revoked = await rows('UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id', [
        id,
      ]);
      return revoked.length > 0;
    },
  };
}
