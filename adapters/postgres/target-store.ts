import type pg from 'pg';
import type { EntityId } from '../../core/change-event.ts';
import { type JsonValue, stringifyExact } from '../../core/json.ts';
import type { GuardState, TargetStore } from '../../core/ports/target-store.ts';
import { unavailable } from './pool.ts';
import { rowsFrom } from './rows.ts';
import { lookAt } from './target-look.ts';
import { settleTarget } from './target-settlement.ts';

export interface GuardRow {
  state: GuardState['state'];
  reason: string | null;
  known: number;
  changed: number;
  deleted: number;
  window_from_ms: number;
  approved_until_ms: number | null;
}

/** So many write-backs to one record wait for their system to tell of them: one that never tells must not fill the ledger. */
const awaitedMax = 8;

export const guardColumns = `state, reason, known, changed, deleted, (extract(epoch FROM window_from) * 1000)::bigint AS window_from_ms,
  (extract(epoch FROM approved_until) * 1000)::bigint AS approved_until_ms`;

export function createTargetStore(pool: pg.Pool): TargetStore {
  const rows = rowsFrom(pool, unavailable);

  return {
    async acquire(target, { topic, partition }) {
      const [row] = await rows<{ token: number; next_offset: number }>(
        `INSERT INTO target_progress AS p (target, topic, partition, token) VALUES ($1, $2, $3, 1)
         ON CONFLICT (target, topic, partition) DO UPDATE SET token = p.token + 1, updated_at = now()
         RETURNING token, next_offset`,
        [target, topic, partition],
      );
      return { target, topic, partition, token: row!.token, nextOffset: row!.next_offset };
    },

    look: (target, kind, entityIds) => lookAt(rows, target, kind, entityIds),

    async bind(source, kind, keys) {
      const bound = await rows<{ key: string; holder: EntityId }>(
        `INSERT INTO entity_bindings AS b (source, kind, key, entity_id)
         SELECT $1, $2, k.key, k.entity_id FROM unnest($3::text[], $4::text[]) AS k(key, entity_id) ORDER BY k.key
         ON CONFLICT (source, kind, key) DO UPDATE SET entity_id = b.entity_id RETURNING key, entity_id AS holder`,
        [source, kind, keys.map(({ key }) => key), keys.map(({ entityId }) => entityId)],
      );
      const holders = new Map(bound.map(({ key, holder }) => [key, holder]));
      return new Map(
        keys.flatMap(({ entityId, key }): [EntityId, EntityId][] => {
          const holder = holders.get(key);
          return holder === undefined || holder === entityId ? [] : [[entityId, holder]];
        }),
      );
    },

    async begin(lease, echoes) {
      const [row] = await rows<{ held: boolean }>(
        `WITH held AS (SELECT 1 FROM target_progress WHERE target = $1 AND topic = $2 AND partition = $3 AND token = $4),
           settled AS (DELETE FROM echo_ledger WHERE EXISTS (SELECT FROM held) AND id = ANY(ARRAY(
             SELECT e.id FROM unnest($5::text[]) AS asked(entity_id) CROSS JOIN LATERAL (
               SELECT w.id FROM echo_ledger w WHERE w.target = $1 AND w.entity_id = asked.entity_id AND w.state = 'acknowledged'
                 AND NOT w.doubted AND (w.told OR w.seq <= (SELECT v.seq FROM echo_ledger v WHERE v.target = w.target AND v.entity_id = w.entity_id
                   ORDER BY v.seq DESC OFFSET ${awaitedMax} LIMIT 1)) OFFSET 0) AS e))),
           begun AS (INSERT INTO echo_ledger (id, target, entity_id, kind, key, version, event_id, through, knowledge,
                       expected_checksum, intended, replaced, echo, state)
                     SELECT r.id, $1, r."entityId", r.kind, r.key, r.version, r."eventId", r.through, r.knowledge,
                       r.expected, nullif(r.intended, 'null'), nullif(r.replaced, 'null'), r.echo, 'pending'
                     FROM held, jsonb_to_recordset($6) AS r(id UUID, "entityId" TEXT, kind TEXT, key TEXT, version BIGINT,
                       "eventId" UUID, through BIGINT, knowledge JSONB, expected TEXT, intended JSONB, replaced JSONB, echo TEXT))
         SELECT EXISTS (SELECT 1 FROM held) AS held`,
        [
          lease.target,
          lease.topic,
          lease.partition,
          lease.token,
          echoes.map(({ entityId }) => entityId),
          stringifyExact(echoes as unknown as JsonValue[]),
        ],
      );
      return row!.held;
    },

    async settle(lease, settlement, windowMs) {
      try {
        return await settleTarget(pool, lease, settlement, windowMs);
      } catch (error) {
        throw unavailable(error);
      }
    },

    async advance(lease, nextOffset) {
      const moved = await rows(
        `UPDATE target_progress SET next_offset = $5, updated_at = now()
         WHERE target = $1 AND topic = $2 AND partition = $3 AND token = $4 AND next_offset = $6 RETURNING 1`,
        [lease.target, lease.topic, lease.partition, lease.token, nextOffset, lease.nextOffset],
      );
      return moved.length === 0 ? null : { ...lease, nextOffset };
    },

    async replaying(lease, limit) {
      const found = await rows<{ entity_id: EntityId }>(
        `SELECT entity_id FROM target_letters WHERE target = $1 AND topic = $2 AND partition = $3 AND status = 'replaying'
         ORDER BY failed_at LIMIT $4`,
        [lease.target, lease.topic, lease.partition, limit],
      );
      return found.map((row) => row.entity_id);
    },

    async guard(target) {
      const [row] = await rows<GuardRow>(`SELECT ${guardColumns} FROM target_guard WHERE target = $1`, [target]);
      return guardOf(
        row ?? { state: 'running', reason: null, known: 0, changed: 0, deleted: 0, window_from_ms: 0, approved_until_ms: null },
      );
    },

    async pause(target, reason) {
      await rows(
        `INSERT INTO target_guard (target, state, reason) VALUES ($1, 'paused', $2)
         ON CONFLICT (target) DO UPDATE SET state = 'paused', reason = excluded.reason`,
        [target, reason],
      );
    },
  };
}

export function guardOf(row: GuardRow): GuardState {
  const { state, reason, known, changed, deleted, window_from_ms: windowFromMs, approved_until_ms: approvedUntilMs } = row;
  return { state, reason, known, changed, deleted, windowFromMs, approvedUntilMs };
}
