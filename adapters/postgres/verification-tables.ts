import type pg from 'pg';
import { type EntityId, goldenSourceType } from '../../core/change-event.ts';
import type { VerificationTables, VerifiedKind } from '../../core/ports/verification-tables.ts';
import { entityTables } from './entity-tables.ts';
import { unavailable } from './pool.ts';

export function createVerificationTables(pool: pg.Pool): VerificationTables {
  async function rows<R extends pg.QueryResultRow>(text: string, values: unknown[]): Promise<R[]> {
    try {
      return (await pool.query<R>(text, values)).rows;
    } catch (error) {
      throw unavailable(error);
    }
  }

  return {
    async entitiesAfter(kind, after, limit) {
      const found = await rows<{ entity_id: EntityId }>(
        `SELECT entity_id FROM sync_state WHERE source_type = '${goldenSourceType}' AND kind = $1 AND entity_id > $2
         ORDER BY entity_id LIMIT $3`,
        [kind, after ?? '', limit],
      );
      return found.map((row) => row.entity_id);
    },

    async entitiesOf(system, keys) {
      const found = await rows<{ key: string; entity_id: EntityId }>(
        `SELECT k.key, e.entity_id FROM unnest($3::text[]) AS k(key), LATERAL (${namesOf(system)}) AS e WHERE e.entity_id IS NOT NULL`,
        [system.name, system.kind, keys],
      );
      return new Map(found.map((row) => [row.key, row.entity_id]));
    },

    async livingKeys(system, keys) {
      const lives =
        system.sourceType === null
          ? `EXISTS (SELECT FROM target_state t WHERE t.target = $1 AND t.entity_id = e.entity_id AND t.key = k.key AND t.checksum IS NOT NULL)`
          : `EXISTS (SELECT FROM sync_state s WHERE s.entity_id = e.entity_id AND s.source_type = $4 AND s.status <> 'deleted')`;
      const found = await rows<{ key: string }>(
        `SELECT k.key FROM unnest($3::text[]) AS k(key), LATERAL (${namesOf(system)}) AS e WHERE ${lives}`,
        [system.name, system.kind, keys, ...(system.sourceType === null ? [] : [system.sourceType])],
      );
      return new Set(found.map((row) => row.key));
    },

    async letterCodes(system, keys) {
      const found = await rows<{ key: string; code: string }>(
        `SELECT DISTINCT ON (d.key) d.key, d.code FROM unnest($3::text[]) AS k(key)
           JOIN dead_letters d ON d.source = $1 AND d.kind = $2 AND hashtext(d.key) = hashtext(k.key) AND d.key = k.key
         WHERE d.status IN ('waiting', 'parked', 'replaying') ORDER BY d.key, d.failed_at DESC`,
        [system.name, system.kind, keys],
      );
      return new Map(found.map((row) => [row.key, row.code]));
    },

    consistency: (kind, which, pairs) => entityTables(pool, kind, which, pairs),
  };
}

/** A target that is no source knows a record by the key we wrote it under, a source by the key it is bound by. */
function namesOf({ sourceType, keyIsEntity }: VerifiedKind): string {
  const plain = keyIsEntity ? `$2 || ':' || k.key` : 'NULL';
  const known =
    sourceType === null
      ? `(SELECT t.entity_id FROM target_state t WHERE t.target = $1 AND t.kind = $2 AND t.key = k.key
          ORDER BY (t.checksum IS NOT NULL) DESC, t.updated_at DESC LIMIT 1)`
      : `(SELECT b.entity_id FROM entity_bindings b WHERE b.source = $1 AND b.kind = $2 AND b.key = k.key)`;
  return `SELECT coalesce(${known}, ${plain}) AS entity_id`;
}
