import type pg from 'pg';
import type { EntityId } from '../../core/change-event.ts';
import type { BindRequest, BindResult, IdentityStore } from '../../core/ports/identity-store.ts';
import { faultOf, unavailable } from './pool.ts';

interface BindingRow {
  source: string;
  kind: string;
  key: string;
  entity_id: EntityId;
}

const repeatsMax = 5;

/** Bindings live in PostgreSQL and never change, so each process may keep those it has seen. */
export function createIdentityStore(pool: pg.Pool): IdentityStore {
  return {
    async bind(requests) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await bindAll(pool, requests);
        } catch (error) {
          if (faultOf(error) !== 'repeat' || attempt === repeatsMax) throw unavailable(error);
        }
      }
    },
  };
}

async function bindAll(pool: pg.Pool, requests: readonly BindRequest[]): Promise<readonly BindResult[]> {
  const results = new Map<BindRequest, BindResult>();
  const unbound = await lookUp(pool, requests, results);
  if (unbound.length > 0) {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      // In the order of the keys, so that two processes binding the same entities wait instead of deadlocking.
      for (const request of [...unbound].sort(byMatchKey)) results.set(request, await bindOne(client, request));
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    } finally {
      client.release();
    }
  }
  return requests.map((request) => results.get(request)!);
}

async function lookUp(
  pool: pg.Pool,
  requests: readonly BindRequest[],
  results: Map<BindRequest, BindResult>,
): Promise<BindRequest[]> {
  const found = await pool.query<BindingRow>(
    `SELECT b.source, b.kind, b.key, b.entity_id FROM entity_bindings b
     JOIN unnest($1::text[], $2::text[], $3::text[]) AS r(source, kind, key) USING (source, kind, key)`,
    [requests.map((r) => r.source), requests.map((r) => r.kind), requests.map((r) => r.key)],
  );
  const bound = new Map(found.rows.map((row) => [bindingId(row), row.entity_id]));
  return requests.filter((request) => {
    const entityId = bound.get(bindingId(request));
    if (entityId !== undefined) results.set(request, { kind: 'bound', entityId });
    return entityId === undefined;
  });
}

async function bindOne(client: pg.PoolClient, request: BindRequest): Promise<BindResult> {
  const { source, kind, key, matchKeys, firstName } = request;
  const entityId = await entityOfMatchKeys(client, kind, matchKeys, firstName);
  const holder = await client.query<{ key: string }>(
    'SELECT key FROM entity_bindings WHERE entity_id = $1 AND source = $2 AND kind = $3 AND key <> $4 LIMIT 1',
    [entityId, source, kind, key],
  );
  if (holder.rows[0]) return { kind: 'conflict', matchKey: matchKeys[0] ?? entityId, heldBy: holder.rows[0].key };
  const inserted = await client.query<{ entity_id: EntityId }>(
    `INSERT INTO entity_bindings AS b (source, kind, key, entity_id) VALUES ($1, $2, $3, $4)
     ON CONFLICT (source, kind, key) DO UPDATE SET entity_id = b.entity_id RETURNING entity_id`,
    [source, kind, key, entityId],
  );
  return { kind: 'bound', entityId: inserted.rows[0]!.entity_id };
}

/** The entity that holds one of the match keys, first preferred; the free ones are given to it too. */
async function entityOfMatchKeys(
  client: pg.PoolClient,
  kind: string,
  matchKeys: readonly string[],
  firstName: EntityId,
): Promise<EntityId> {
  if (matchKeys.length === 0) return firstName;
  const held = await client.query<{ match_key: string; entity_id: EntityId }>(
    'SELECT match_key, entity_id FROM match_keys WHERE kind = $1 AND match_key = ANY($2)',
    [kind, matchKeys],
  );
  const byKey = new Map(held.rows.map((row) => [row.match_key, row.entity_id]));
  const known = matchKeys.find((matchKey) => byKey.has(matchKey));
  const wanted = known === undefined ? firstName : byKey.get(known)!;
  // Locks the keys: who comes second waits for our commit and then reads what we wrote.
  const written = await client.query<{ match_key: string; entity_id: EntityId }>(
    `INSERT INTO match_keys AS m (kind, match_key, entity_id) SELECT $1, k, $3 FROM unnest($2::text[]) AS k ORDER BY k
     ON CONFLICT (kind, match_key) DO UPDATE SET entity_id = m.entity_id RETURNING match_key, entity_id`,
    [kind, matchKeys, wanted],
  );
  const after = new Map(written.rows.map((row) => [row.match_key, row.entity_id]));
  return after.get(known ?? matchKeys[0]!) ?? wanted;
}

function bindingId(row: { source: string; kind: string; key: string }): string {
  return `${row.source}\0${row.kind}\0${row.key}`;
}

function byMatchKey(left: BindRequest, right: BindRequest): number {
  return (left.matchKeys[0] ?? left.key) < (right.matchKeys[0] ?? right.key) ? -1 : 1;
}
