import type pg from 'pg';
import type { EntityId } from '../../core/change-event.ts';
import { goldenSourceType } from '../../core/change-event.ts';
import type { Binding } from '../../core/identity/binding.ts';
import { BookPages, type MatchKeyRow } from '../../core/identity/book-pages.ts';
import { IdentityBook, type MergeVerdict } from '../../core/identity/identity-book.ts';
import type { EntityLinks, IdentityRegistry, LinkedRecord, LinkTurn } from '../../core/ports/identity-registry.ts';
import { bindingColumns, bindingOf, bindingsOf, lockKind, writePages } from './identity-rows.ts';
import { instantColumn, reading } from './keyset-query.ts';
import { unavailable } from './pool.ts';

const historyShownMax = 500;

const recordColumns = `source, kind, key, match_keys AS "matchKeys", gone, cardinality(awaiting) > 0 AS "inTransit",
  ${instantColumn('bound_at', '"boundAt"')}`;
const turnColumns = `source, kind, key, reason, entity_id AS "entityId", previous, match_key AS "matchKey", held_by AS "heldBy",
  linked_by AS by, event_id AS "eventId", ${instantColumn('linked_at', 'at')}`;

export function createIdentityRegistry(pool: pg.Pool): IdentityRegistry {
  return {
    linksOf: (entityId) => reading(pool, 'REPEATABLE READ', (client) => linksOf(client, entityId)),

    async bindingOf(record) {
      try {
        return (await bindingsOf(pool, [record]))[0] ?? null;
      } catch (error) {
        throw unavailable(error);
      }
    },

    async merge(kind, from, into, by) {
      const client = await pool.connect().catch((error: unknown) => Promise.reject(unavailable(error)));
      let broken: Error | undefined;
      try {
        await client.query('BEGIN');
        const verdict = await merge(client, kind, from, into, by);
        await client.query('COMMIT');
        return verdict;
      } catch (error) {
        await client.query('ROLLBACK').catch((failed: Error) => {
          broken = failed;
        });
        throw unavailable(error);
      } finally {
        client.release(broken);
      }
    },
  };
}

async function linksOf(client: Pick<pg.PoolClient, 'query'>, entityId: string): Promise<EntityLinks | null> {
  const records = await client.query<LinkedRecord>(
    `SELECT ${recordColumns} FROM entity_bindings WHERE entity_id = $1 ORDER BY source, key`,
    [entityId],
  );
  const history = await client.query<LinkTurn>(
    `SELECT ${turnColumns} FROM entity_links WHERE entity_id = $1 OR previous = $1 ORDER BY linked_at DESC, source, key, raw_offset DESC
     LIMIT ${historyShownMax}`,
    [entityId],
  );
  const keys = await client.query<{ key: string }>(
    'SELECT match_key AS key FROM match_keys WHERE entity_id = $1 ORDER BY match_key',
    [entityId],
  );
  const merged = await client.query<{ into: string | null }>(
    `SELECT coalesce((SELECT survivor FROM entity_merges WHERE entity_id = $1),
       (SELECT voice ->> 'mergedInto' FROM sync_state WHERE entity_id = $1 AND source_type = '${goldenSourceType}')) AS into`,
    [entityId],
  );
  const kind = records.rows[0]?.kind ?? history.rows[0]?.kind;
  if (kind === undefined) return null;
  return {
    entityId,
    kind,
    records: records.rows,
    matchKeys: keys.rows.map((row) => row.key),
    history: history.rows,
    mergedInto: merged.rows[0]!.into,
  };
}

async function merge(client: pg.PoolClient, kind: string, from: EntityId, into: EntityId, by: string): Promise<MergeVerdict> {
  await lockKind(client, kind);
  const bindings = await client.query<Parameters<typeof bindingOf>[0]>(
    `SELECT ${bindingColumns} FROM entity_bindings b WHERE b.kind = $1 AND b.entity_id = ANY($2)`,
    [kind, [from, into]],
  );
  const holders = await client.query<MatchKeyRow>(
    'SELECT kind, match_key AS "matchKey", entity_id AS "entityId" FROM match_keys WHERE kind = $1 AND entity_id = $2',
    [kind, from],
  );
  const pages = new BookPages();
  pages.load(
    bindings.rows.map((row): Binding => bindingOf(row)),
    holders.rows,
    [],
  );
  const verdict = new IdentityBook(pages).merge(kind, from, into);
  if (verdict.kind === 'refused') return verdict;
  await writePages(client, pages.takeChanges(), new Set());
  await client.query(
    `INSERT INTO entity_merges (entity_id, survivor, merged_by) VALUES ($1, $2, $3)
     ON CONFLICT (entity_id) DO UPDATE SET survivor = excluded.survivor`,
    [from, into, by],
  );
  return verdict;
}
