import { type Checksum, type EntityId, type EventId, goldenSourceType } from '../../core/change-event.ts';
import type { Knowledge } from '../../core/conflict/voice.ts';
import { type JsonObject, parseExact } from '../../core/json.ts';
import type { Echo, EchoState, TargetIdentity, TargetView } from '../../core/ports/target-store.ts';
import type { Position } from '../../core/position.ts';
import type { Rows } from './rows.ts';

/** An entity once for each of its write-backs, or once where it has none. What is null of a part is so because there is none. */
interface LookRow {
  entity_id: EntityId;
  version: number;
  deleted: boolean;
  data: string | null;
  event_id: EventId;
  knowledge: string;
  has_own: boolean;
  own_turn: number;
  own_position: Position | null;
  own_data: string | null;
  bound_key: string | null;
  state_key: string | null;
  state_version: number;
  intended_checksum: Checksum | null;
  state_checksum: Checksum | null;
  flips: number;
  frozen: boolean;
  echo_id: string | null;
  kind: string;
  echo_key: string;
  echo_version: number;
  echo_event_id: EventId;
  through: number;
  echo_knowledge: string;
  expected: Checksum | null;
  intended: string | null;
  replaced: string | null;
  returned: string | null;
  echo: Checksum | null;
  echo_state: EchoState;
  doubted: boolean;
  updated_at_ms: number;
}

/** A row that was written while its source was the only one has no voice: then its version counts its turns. */
const turn = (row: string) => `coalesce((${row}.voice->>'turn')::bigint, ${row}.version)`;

/** Like EXISTS, but always found by its key: of an EXISTS the planner may make a hash of everything, anew for each entity. */
const is = (found: string) => `((SELECT true ${found} LIMIT 1) IS NOT NULL)`;

/** A record there that stands under another entity by now: what was known of it says nothing of this one. */
const isElsewhere = (key: string) =>
  is(`FROM entity_bindings x WHERE x.source = $2 AND x.kind = $4 AND x.key = ${key} AND x.entity_id <> g.entity_id`);

/** An entity that was merged away deletes nothing at a source: its record there goes to the survivor. */
const isMergedAway = `(g.status = 'deleted' AND ${is('FROM entity_merges m WHERE m.entity_id = g.entity_id')})`;

/** Nor does a deleted one delete what a living one has written under the same key since. */
const isSomeoneElses = `(g.status = 'deleted' AND ${is(`FROM target_state y JOIN sync_state l ON l.entity_id = y.entity_id
  AND l.source_type = '${goldenSourceType}' AND l.status <> 'deleted'
  WHERE y.target = t.target AND y.kind = t.kind AND y.key = t.key AND y.entity_id <> t.entity_id AND y.checksum IS NOT NULL`)})`;

/** The record of the system that stands under the entity, or is on its way there from one that was merged into it. */
const boundKeyText = `coalesce(
  (SELECT b.key FROM entity_bindings b WHERE b.entity_id = g.entity_id AND b.source = $2 AND b.kind = $4
   ORDER BY b.gone, b.tenure DESC LIMIT 1),
  (SELECT b.key FROM entity_merges m JOIN entity_bindings b ON b.entity_id = m.entity_id
   WHERE m.survivor = g.entity_id AND b.source = $2 AND b.kind = $4 AND NOT b.gone LIMIT 1))`;

/** Of those that were acknowledged only the newest says anything. */
const isOutdated = `(e.state = 'acknowledged' AND NOT e.doubted AND ${is(`FROM echo_ledger w
  WHERE w.target = e.target AND w.entity_id = e.entity_id AND w.seq > e.seq AND w.state <> 'pending'`)})`;

/** Each part is found by its key, entity by entity, whatever the planner knows of the tables: `OFFSET 0` keeps it from reading them whole. */
const part = (name: string, text: string) => `LEFT JOIN LATERAL (${text} OFFSET 0) AS ${name} ON true`;

const goldenColumns = `g.entity_id, g.version, g.status = 'deleted' AS deleted, g.data::text AS data, g.event_id`;
const golden = `unnest($1::text[]) WITH ORDINALITY AS asked(entity_id, n)
  JOIN LATERAL (SELECT * FROM sync_state s WHERE s.entity_id = asked.entity_id AND s.source_type = '${goldenSourceType}' OFFSET 0) AS g ON true`;

const stateColumns = `t.key AS state_key, t.version AS state_version, t.intended AS intended_checksum, t.checksum AS state_checksum,
  t.flips, t.frozen`;
const state = (condition: string) =>
  part(
    't',
    `SELECT * FROM target_state t WHERE t.target = $2 AND t.entity_id = g.entity_id AND NOT ${isSomeoneElses} ${condition}`,
  );

const echoColumns = `e.id AS echo_id, e.kind, e.key AS echo_key, e.version AS echo_version, e.event_id AS echo_event_id, e.through,
  e.knowledge::text AS echo_knowledge, e.expected_checksum AS expected, e.intended::text AS intended, e.replaced::text AS replaced,
  e.returned::text AS returned, e.echo, e.state AS echo_state, e.doubted,
  floor(extract(epoch FROM e.updated_at) * 1000)::bigint AS updated_at_ms`;
const echoes = (condition: string) =>
  part('e', `SELECT * FROM echo_ledger e WHERE e.target = $2 AND e.entity_id = g.entity_id ${condition}`);

/** At a system that is a source too. */
const sourceText = `
  SELECT ${goldenColumns}, coalesce(g.voice->'of', (SELECT jsonb_object_agg(s.source_type, ${turn('s')}) FROM sync_state s
      WHERE s.entity_id = g.entity_id AND s.source_type <> '${goldenSourceType}'), '{}')::text AS knowledge,
    o.entity_id IS NOT NULL AND NOT away AS has_own, ${turn('o')} AS own_turn, o.position AS own_position,
    CASE WHEN o.status <> 'deleted' THEN o.data END::text AS own_data,
    CASE WHEN NOT away THEN ${boundKeyText} END AS bound_key, ${stateColumns}, ${echoColumns}
  FROM ${golden} CROSS JOIN LATERAL (SELECT ${isMergedAway} AS away) AS merged
    ${part('o', `SELECT * FROM sync_state s WHERE s.entity_id = g.entity_id AND s.source_type = $3`)}
    ${state(`AND NOT ${isElsewhere('t.key')} AND NOT away`)}
    ${echoes(`AND NOT ${isOutdated} AND (e.state = 'pending' OR NOT (${isElsewhere('e.key')} OR away))`)}
  ORDER BY asked.n, e.seq`;

/** At one that is written to only: it says nothing itself, and is told nothing that it would have to know again. */
const targetText = `
  SELECT ${goldenColumns}, '{}' AS knowledge, false AS has_own, NULL AS own_turn, NULL AS own_position, NULL AS own_data,
    NULL AS bound_key, ${stateColumns}, ${echoColumns}
  FROM ${golden} ${state('')} ${echoes('')}
  ORDER BY asked.n, e.seq`;

export async function lookAt(
  rows: Rows,
  { name, sourceType }: TargetIdentity,
  kind: string,
  entityIds: readonly EntityId[],
): Promise<TargetView[]> {
  const found =
    sourceType === null
      ? await rows<LookRow>(targetText, [entityIds, name])
      : await rows<LookRow>(sourceText, [entityIds, name, sourceType, kind]);
  return [...Map.groupBy(found, (row) => row.entity_id).values()].map(viewOf);
}

function viewOf(rows: readonly LookRow[]): TargetView {
  const row = rows[0]!;
  return {
    entityId: row.entity_id,
    golden: {
      version: row.version,
      deleted: row.deleted,
      data: dataOf(row.data),
      eventId: row.event_id,
      knowledge: knowledgeOf(row.knowledge),
    },
    own: row.has_own ? { turn: row.own_turn, position: row.own_position, data: dataOf(row.own_data) } : null,
    boundKey: row.bound_key,
    state:
      row.state_key === null
        ? null
        : {
            key: row.state_key,
            version: row.state_version,
            intended: row.intended_checksum,
            checksum: row.state_checksum,
            flips: row.flips,
            frozen: row.frozen,
          },
    echoes: rows.flatMap((each) => (each.echo_id === null ? [] : [echoOf(each, each.echo_id)])),
  };
}

function echoOf(row: LookRow, id: string): Echo {
  return {
    id,
    entityId: row.entity_id,
    kind: row.kind,
    key: row.echo_key,
    version: row.echo_version,
    eventId: row.echo_event_id,
    through: row.through,
    knowledge: knowledgeOf(row.echo_knowledge),
    expected: row.expected,
    intended: dataOf(row.intended),
    replaced: dataOf(row.replaced),
    returned: dataOf(row.returned),
    echo: row.echo,
    state: row.echo_state,
    doubted: row.doubted,
    updatedAtMs: row.updated_at_ms,
  };
}

function dataOf(text: string | null): JsonObject | null {
  return text === null ? null : (parseExact(text) as JsonObject);
}

function knowledgeOf(text: string): Knowledge {
  return JSON.parse(text) as Knowledge;
}
