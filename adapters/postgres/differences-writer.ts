import type pg from 'pg';
import type { Difference, DifferenceChanges, DifferenceKey } from '../../core/differences/difference.ts';
import { stringifyExact } from '../../core/json.ts';

/** What a process with an outdated configuration finds stays out: whoever took the pair over has compared everything anew. */
const byThisConfiguration = `NOT EXISTS (SELECT FROM difference_pairs p
  WHERE p.left_source = r.l AND p.right_source = r.r AND p.entity_kind = r.n AND p.config_id <> r.c)`;

/** Runs in the transaction that writes the states. `since` says since when an entity differs in this way, whatever the fields. */
export async function writeDifferences(client: pg.PoolClient, { upserts, removals }: DifferenceChanges): Promise<void> {
  if (upserts.length > 0) {
    await client.query({
      name: 'differences-upsert',
      text: `INSERT INTO differences AS d (entity_id, left_source, right_source, kind, entity_kind, fields)
             SELECT e, l, r, k, n, f
             FROM jsonb_to_recordset($1::jsonb) AS r(e text, l text, r text, c text, k text, n text, f jsonb)
             WHERE ${byThisConfiguration} ORDER BY e, l, r.r
             ON CONFLICT (entity_id, left_source, right_source) DO UPDATE SET kind = excluded.kind, fields = excluded.fields,
               since = CASE WHEN d.kind = excluded.kind THEN d.since ELSE excluded.since END
             WHERE (d.kind, d.fields) IS DISTINCT FROM (excluded.kind, excluded.fields)`,
      values: [stringifyExact(upserts.map(differenceJson) as never)],
    });
  }
  if (removals.length > 0) {
    await client.query({
      name: 'differences-remove',
      text: `DELETE FROM differences d
             USING jsonb_to_recordset($1::jsonb) AS r(e text, l text, r text, c text, n text)
             WHERE d.entity_id = r.e AND d.left_source = r.l AND d.right_source = r.r AND ${byThisConfiguration}`,
      values: [stringifyExact(removals.map(keyJson) as never)],
    });
  }
}

function keyJson({ entityId, leftSource, rightSource, entityKind, configId }: DifferenceKey) {
  return { e: entityId, l: leftSource, r: rightSource, c: configId, n: entityKind };
}

function differenceJson(difference: Difference) {
  return { ...keyJson(difference), k: difference.kind, f: difference.fields };
}
