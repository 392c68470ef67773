import type pg from 'pg';
import { type JsonValue, stringifyExact } from '../../core/json.ts';
import type { TargetLease, TargetSettlement } from '../../core/ports/target-store.ts';

/** One transaction; rows are touched in the order of their keys, so that two partitions wait for each other at most. */
export async function settleTarget(
  pool: pg.Pool,
  lease: TargetLease,
  settlement: TargetSettlement,
  windowMs: number,
): Promise<boolean> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    const held = await client.query(
      'SELECT 1 FROM target_progress WHERE target = $1 AND topic = $2 AND partition = $3 AND token = $4 FOR UPDATE',
      [lease.target, lease.topic, lease.partition, lease.token],
    );
    if (held.rowCount === 1) await writeAll(client, lease, settlement, windowMs);
    await client.query('COMMIT');
    return held.rowCount === 1;
  } catch (error) {
    await client.query('ROLLBACK').catch((failed: Error) => {
      broken = failed;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

async function writeAll(
  client: pg.PoolClient,
  lease: TargetLease,
  { written, closed, assured, states, letters, reached, counts }: TargetSettlement,
  windowMs: number,
): Promise<void> {
  const { target } = lease;
  if (written.length > 0) {
    await client.query(
      `UPDATE echo_ledger e SET state = CASE WHEN e.heard THEN 'acknowledged' ELSE 'written' END, echo = r.echo,
         replaced = CASE WHEN r.replaced IS NULL THEN e.replaced ELSE nullif(r.replaced, 'null') END, returned = nullif(r.returned, 'null'), updated_at = now()
       FROM jsonb_to_recordset($1) AS r(id UUID, replaced JSONB, returned JSONB, echo TEXT)
       WHERE e.id = r.id AND e.state = 'pending'`,
      [json([...written].sort(byId))],
    );
  }
  if (closed.length > 0) await client.query(`DELETE FROM echo_ledger WHERE id = ANY($1) AND state = 'pending'`, [closed]);
  if (assured.length > 0) {
    await client.query('UPDATE echo_ledger SET doubted = false WHERE id = ANY($1) AND doubted', [assured]);
  }
  if (states.length > 0) {
    await client.query(
      `INSERT INTO target_state (target, entity_id, kind, key, version, intended, checksum, flips, frozen)
       SELECT $1, r."entityId", r.kind, r.key, r.version, r.intended, r.checksum, r.flips, r.frozen
       FROM jsonb_to_recordset($2) AS r("entityId" TEXT, kind TEXT, key TEXT, version BIGINT, intended TEXT, checksum TEXT,
         flips INTEGER, frozen BOOLEAN) ORDER BY r."entityId"
       ON CONFLICT (target, entity_id) DO UPDATE SET key = excluded.key, version = excluded.version, intended = excluded.intended,
         checksum = excluded.checksum, flips = excluded.flips, frozen = excluded.frozen, updated_at = now()`,
      [target, json(states)],
    );
  }
  if (letters.length > 0) {
    await client.query(
      `WITH kept AS (
       INSERT INTO target_letters AS l (target, topic, partition, entity_id, kind, key, version, code, reason, details, status, attempts)
       SELECT $1, $2, $3, r."entityId", r.kind, r.key, r.version, r.code, left(r.reason, 2000), r.details, 'parked', 1
       FROM jsonb_to_recordset($4) AS r("entityId" TEXT, kind TEXT, key TEXT, version BIGINT, code TEXT, reason TEXT, details JSONB)
       ORDER BY r."entityId"
       ON CONFLICT (target, entity_id) DO UPDATE SET key = excluded.key, version = excluded.version, code = excluded.code,
         reason = excluded.reason, details = excluded.details, status = 'parked', attempts = l.attempts + 1, updated_at = now(),
         conflict_id = CASE WHEN l.status IN ('parked', 'replaying') THEN l.conflict_id ELSE gen_random_uuid() END
       RETURNING l.*)
       INSERT INTO conflict_log AS c (conflict_id, entity_id, source_type, kind, conflict_type, status, resolution, fields, details)
       SELECT conflict_id, entity_id, r.type, kind, t.conflict_type, 'open', 'manual', '{}', ${refusal('kept')}
       FROM kept JOIN (SELECT DISTINCT e->>'entityId' AS entity_id, e->>'targetType' AS type FROM jsonb_array_elements($4) AS e) AS r USING (entity_id)
         JOIN (VALUES ('target.rejected', 'constraint-violation'), ('target.flapping', 'flapping')) AS t(code, conflict_type)
         USING (code)
       ON CONFLICT (conflict_id) DO UPDATE SET details = excluded.details, conflict_type = excluded.conflict_type, updated_at = now()`,
      [target, lease.topic, lease.partition, json(letters)],
    );
  }
  if (reached.length > 0) {
    await client.query(
      `WITH ended AS (
         UPDATE target_letters l SET status = CASE WHEN l.version < r.version THEN 'superseded' ELSE 'applied' END, updated_at = now()
         FROM jsonb_to_recordset($2) AS r("entityId" TEXT, version BIGINT)
         WHERE l.target = $1 AND l.entity_id = r."entityId" AND l.status IN ('parked', 'replaying') RETURNING l.conflict_id, l.status)
       UPDATE conflict_log c SET status = 'resolved', resolution = e.status, updated_at = now()
       FROM ended e WHERE c.conflict_id = e.conflict_id`,
      [target, json(reached)],
    );
  }
  const { known, changed, deleted } = counts;
  if (known === 0 && changed === 0 && deleted === 0) return;
  await client.query(
    `INSERT INTO target_guard AS g (target, known, changed, deleted) VALUES ($1, greatest($2, 0), $3, $4)
     ON CONFLICT (target) DO UPDATE SET known = greatest(g.known + $2, 0),
       changed = CASE WHEN g.window_from < now() - $5 * interval '1 millisecond' THEN $3 ELSE g.changed + $3 END,
       deleted = CASE WHEN g.window_from < now() - $5 * interval '1 millisecond' THEN $4 ELSE g.deleted + $4 END,
       window_from = CASE WHEN g.window_from < now() - $5 * interval '1 millisecond' THEN now() ELSE g.window_from END`,
    [target, known, changed, deleted, windowMs],
  );
}

/** The sync manager may be noting something of the same rows: both take them in one order. */
export function byId(left: { readonly id: string }, right: { readonly id: string }): number {
  return left.id < right.id ? -1 : 1;
}

/** What the conflict log shows of a letter. */
function refusal(row: string): string {
  return `jsonb_build_object('target', ${row}.target, 'letter', ${row}.id, 'key', ${row}.key, 'version', ${row}.version,
    'reason', ${row}.reason, 'refusal', ${row}.details)`;
}

/** Reasons may quote what a target said, and no database keeps U+0000. */
function json(rows: readonly object[]): string {
  return stringifyExact(rows as unknown as JsonValue).replaceAll('\\u0000', '\\ufffd');
}
