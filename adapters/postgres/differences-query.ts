import type pg from 'pg';
import type { DifferenceFilter, DifferenceSummary, DifferenceView, Page, PageRequest } from '../../core/ports/read-store.ts';
import { Conditions, instantColumn, jsonObjectOf, pageOf, reading } from './keyset-query.ts';

type DifferenceText = Omit<DifferenceView, 'fields'> & { readonly fields: string | null };

const columns = `entity_id AS "entityId", left_source AS "leftSource", right_source AS "rightSource", entity_kind AS "entityKind", kind,
  fields::text, ${instantColumn('since', 'since')}`;

export function differencesPage(pool: pg.Pool, filter: DifferenceFilter, page: PageRequest): Promise<Page<DifferenceView>> {
  const conditions = new Conditions()
    .add('left_source = ?', filter.leftSource)
    .add('right_source = ?', filter.rightSource)
    .add('entity_kind = ?', filter.entityKind)
    .add('entity_id = ?', filter.entityId)
    .add('kind = ?', filter.kind)
    .add('jsonb_exists(fields, ?)', filter.field)
    .after('(entity_id, left_source, right_source) > (?, ?, ?)', page);
  return pageOf<DifferenceText, DifferenceView>(
    pool,
    (limit) =>
      `SELECT ${columns} FROM differences ${conditions.where} ORDER BY entity_id, left_source, right_source LIMIT ${limit}`,
    conditions,
    page,
    (row) => ({ ...row, fields: jsonObjectOf(row.fields) ?? {} }),
    (row) => [row.entityId, row.leftSource, row.rightSource],
  );
}

/** Every pair that is compared, also where nothing differs. */
export async function summarizeDifferences(pool: pg.Pool): Promise<DifferenceSummary[]> {
  const counted = (kind: string) => `coalesce(sum(d.entities) FILTER (WHERE d.kind = '${kind}'), 0)::bigint`;
  const { rows } = await reading(pool, 'READ COMMITTED', (client) =>
    client.query<DifferenceSummary>(
      `SELECT p.left_source AS "leftSource", p.right_source AS "rightSource", p.entity_kind AS "entityKind", p.state,
         ${counted('only_left')} AS "onlyLeft", ${counted('only_right')} AS "onlyRight", ${counted('differs')} AS differs
       FROM difference_pairs p
       LEFT JOIN (SELECT left_source, right_source, entity_kind, kind, count(*) AS entities FROM differences GROUP BY 1, 2, 3, 4) AS d
         USING (left_source, right_source, entity_kind)
       WHERE p.state <> 'removed'
       GROUP BY p.left_source, p.right_source, p.entity_kind, p.state
       ORDER BY p.left_source, p.right_source, p.entity_kind`,
    ),
  );
  return rows;
}
