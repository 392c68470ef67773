import type pg from 'pg';
import type { Checksum, EntityId, EventId } from '../../core/change-event.ts';
import type { WriteBack, WriteBackNote } from '../../core/conflict/write-back.ts';
import { type JsonValue, parseExact, stringifyExact } from '../../core/json.ts';
import { byId } from './target-settlement.ts';

interface WriteBackRow {
  id: string;
  entity_id: EntityId;
  target: string;
  event_id: EventId;
  knowledge: string;
  heard: boolean;
  told: boolean;
  deletes: boolean;
  echo: Checksum | null;
  expected: Checksum | null;
  replaced: string | null;
  returned: string | null;
}

/**
 * Entity by entity, whatever the planner knows of the tables: `OFFSET 0` keeps it from reading them whole. What was written to a
 * record that stands under another entity by now says nothing of this one.
 */
export async function readWriteBacks(
  pool: pg.Pool,
  targets: readonly string[],
  entityIds: readonly EntityId[],
): Promise<WriteBack[]> {
  const { rows } = await pool.query<WriteBackRow>({
    name: 'sync-write-backs',
    text: `SELECT e.id, e.entity_id, e.target, e.event_id, e.knowledge::text, e.heard, e.told, e.intended IS NULL AS deletes, e.echo,
             e.expected_checksum AS expected, CASE WHEN NOT e.heard THEN e.replaced::text END AS replaced,
             CASE WHEN NOT e.heard THEN e.returned::text END AS returned
           FROM unnest($2::text[]) AS asked(entity_id) CROSS JOIN LATERAL (
             SELECT * FROM echo_ledger w WHERE w.target = ANY($1) AND w.entity_id = asked.entity_id AND NOT (w.heard AND w.told)
               AND (SELECT true FROM entity_bindings b WHERE b.source = w.target AND b.kind = w.kind AND b.key = w.key
                 AND b.entity_id <> w.entity_id LIMIT 1) IS NULL OFFSET 0) AS e
           ORDER BY e.seq`,
    values: [targets, entityIds],
  });
  return rows.map(({ entity_id: entityId, event_id: eventId, knowledge, replaced, returned, ...row }) => ({
    ...row,
    entityId,
    eventId,
    knowledge: JSON.parse(knowledge) as WriteBack['knowledge'],
    replaced: dataOf(replaced),
    returned: dataOf(returned),
  }));
}

export async function noteWriteBacks(client: pg.PoolClient, notes: readonly WriteBackNote[]): Promise<void> {
  await client.query(
    `UPDATE echo_ledger e SET heard = n.heard, told = n.told, doubted = e.doubted OR n.doubted,
       state = CASE WHEN n.heard AND e.state = 'written' THEN 'acknowledged' ELSE e.state END
     FROM jsonb_to_recordset($1) AS n(id UUID, heard BOOLEAN, told BOOLEAN, doubted BOOLEAN) WHERE e.id = n.id`,
    [stringifyExact([...notes].sort(byId) as unknown as JsonValue)],
  );
}

function dataOf(text: string | null): WriteBack['replaced'] {
  return text === null ? null : (parseExact(text) as WriteBack['replaced']);
}
