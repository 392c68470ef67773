import type pg from 'pg';
import { type EntityId, goldenSourceType } from '../../core/change-event.ts';
import { type JsonValue, parseExact, stringifyExact } from '../../core/json.ts';
import type { Echo, GuardState, TargetStore, TargetView } from '../../core/ports/target-store.ts';
import { unavailable } from './pool.ts';
import { rowsFrom } from './rows.ts';
import { settleTarget } from './target-settlement.ts';

interface ViewRow {
  entity_id: EntityId;
  golden: string;
  own: string | null;
  bound_key: string | null;
  state: string | null;
  echoes: string | null;
}

export interface GuardRow {
  state: GuardState['state'];
  reason: string | null;
  known: number;
  changed: number;
  deleted: number;
  window_from_ms: number;
  approved_until_ms: number | null;
}

/** A row that was written while its source was the only one has no voice: then its version counts its turns. */
const turn = (row: string) => `coalesce((${row}.voice->>'turn')::bigint, ${row}.version)`;

/** A record there that stands under another entity by now: what was known of it says nothing of this one. */
const isElsewhere = (key: string) => `EXISTS (SELECT FROM entity_bindings x
  WHERE x.source = $1 AND x.kind = $3 AND x.key = ${key} AND x.entity_id <> g.entity_id)`;

/** An entity that was merged away deletes nothing at a source: its record there goes to the survivor. */
const isMergedAway = `(g.status = 'deleted' AND EXISTS (SELECT FROM entity_merges m WHERE m.entity_id = g.entity_id))`;

/** Nor does a deleted one delete what a living one has written under the same key since. */
const isSomeoneElses = `(g.status = 'deleted' AND EXISTS (SELECT FROM target_state y JOIN sync_state l ON l.entity_id = y.entity_id
  AND l.source_type = '${goldenSourceType}' AND l.status <> 'deleted'
  WHERE y.target = t.target AND y.kind = t.kind AND y.key = t.key AND y.entity_id <> t.entity_id AND y.checksum IS NOT NULL))`;

/** The record of the system that stands under the entity, or is on its way there from one that was merged into it. */
const boundKeyText = `coalesce(
  (SELECT b.key FROM entity_bindings b WHERE b.entity_id = g.entity_id AND b.source = $1 AND b.kind = $3
   ORDER BY b.gone, b.tenure DESC LIMIT 1),
  (SELECT b.key FROM entity_merges m JOIN entity_bindings b ON b.entity_id = m.entity_id
   WHERE m.survivor = g.entity_id AND b.source = $1 AND b.kind = $3 AND NOT b.gone LIMIT 1))`;

const stateText = (condition: string) => `(SELECT jsonb_build_object('key', t.key, 'version', t.version, 'intended', t.intended,
       'checksum', t.checksum, 'flips', t.flips, 'frozen', t.frozen)::text
     FROM target_state t WHERE t.target = $1 AND t.entity_id = g.entity_id AND NOT ${isSomeoneElses} ${condition})`;

/** So many write-backs to one record wait for their system to tell of them: one that never tells must not fill the ledger. */
const awaitedMax = 8;

const oldestKept = (
  row: string,
) => `(SELECT w.seq FROM echo_ledger w WHERE w.target = ${row}.target AND w.entity_id = ${row}.entity_id
  ORDER BY w.seq DESC OFFSET ${awaitedMax} LIMIT 1)`;

/** Of those that were acknowledged only the newest says anything. */
const isOutdated = `(e.state = 'acknowledged' AND NOT e.doubted AND EXISTS (SELECT FROM echo_ledger w
  WHERE w.target = e.target AND w.entity_id = e.entity_id AND w.seq > e.seq AND w.state <> 'pending'))`;

const echoesText = (
  condition: string,
) => `(SELECT jsonb_agg(jsonb_build_object('id', e.id, 'entityId', e.entity_id, 'kind', e.kind,
       'key', e.key, 'version', e.version, 'eventId', e.event_id, 'through', e.through, 'knowledge', e.knowledge,
       'expected', e.expected_checksum, 'intended', e.intended, 'replaced', e.replaced, 'returned', e.returned, 'state', e.state,
       'echo', e.echo, 'doubted', e.doubted,
       'updatedAtMs', floor(extract(epoch FROM e.updated_at) * 1000)::bigint) ORDER BY e.seq)::text
     FROM echo_ledger e WHERE e.target = $1 AND e.entity_id = g.entity_id ${condition})`;

/** Of a system that is a source too. */
const lookAtSourceText = `
  SELECT g.entity_id,
    jsonb_build_object('version', g.version, 'deleted', g.status = 'deleted', 'data', g.data, 'eventId', g.event_id, 'knowledge',
      coalesce(g.voice->'of', (SELECT jsonb_object_agg(s.source_type, ${turn('s')}) FROM sync_state s
                               WHERE s.entity_id = g.entity_id AND s.source_type <> '${goldenSourceType}'), '{}'))::text AS golden,
    CASE WHEN o.entity_id IS NOT NULL AND NOT ${isMergedAway} THEN jsonb_build_object('turn', ${turn('o')}, 'position', o.position,
      'data', CASE WHEN o.status <> 'deleted' THEN o.data END)::text END AS own,
    CASE WHEN NOT ${isMergedAway} THEN ${boundKeyText} END AS bound_key,
    ${stateText(`AND NOT ${isElsewhere('t.key')} AND NOT ${isMergedAway}`)} AS state,
    ${echoesText(`AND NOT ${isOutdated} AND (e.state = 'pending' OR NOT (${isElsewhere('e.key')} OR ${isMergedAway}))`)} AS echoes
  FROM sync_state g LEFT JOIN sync_state o ON o.entity_id = g.entity_id AND o.source_type = $2
  WHERE g.source_type = '${goldenSourceType}' AND g.entity_id = ANY($4)`;

/** Of one that is written to only: it says nothing itself, and is told nothing that it would have to know again. */
const lookText = `
  SELECT g.entity_id,
    jsonb_build_object('version', g.version, 'deleted', g.status = 'deleted', 'data', g.data, 'eventId', g.event_id,
      'knowledge', jsonb_build_object())::text AS golden,
    NULL AS own, NULL AS bound_key, ${stateText('')} AS state, ${echoesText('')} AS echoes
  FROM sync_state g WHERE g.source_type = '${goldenSourceType}' AND g.entity_id = ANY($2)`;

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

    async look(target, kind, entityIds) {
      const { name, sourceType } = target;
      const found =
        sourceType === null
          ? await rows<ViewRow>(lookText, [name, entityIds])
          : await rows<ViewRow>(lookAtSourceText, [name, sourceType, kind, entityIds]);
      return found.map(viewOf);
    },

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
           settled AS (DELETE FROM echo_ledger e USING held WHERE e.target = $1 AND e.entity_id = ANY($5)
                       AND e.state = 'acknowledged' AND (e.told OR e.seq <= ${oldestKept('e')})),
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

function viewOf(row: ViewRow): TargetView {
  return {
    entityId: row.entity_id,
    golden: parseExact(row.golden) as unknown as TargetView['golden'],
    own: row.own === null ? null : (parseExact(row.own) as unknown as TargetView['own']),
    boundKey: row.bound_key,
    state: row.state === null ? null : (parseExact(row.state) as unknown as TargetView['state']),
    echoes: row.echoes === null ? [] : (parseExact(row.echoes) as unknown as Echo[]),
  };
}
