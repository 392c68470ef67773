import type { Column, TableShape } from './table-shape.ts';
import { quoted } from './table-shape.ts';

/**
 * The rows of a batch travel as one JSON text; the database casts each to the table's own row type, so that types,
 * lengths and scales are its business. `e.doc` tells what was said, `r` what the database understood.
 */
const rowsGiven = (table: string) =>
  `jsonb_array_elements($1::jsonb) WITH ORDINALITY AS e(doc, n), jsonb_populate_record(NULL::${table}, e.doc) AS r`;

function sameKey({ key }: TableShape): string {
  return key.map((column) => `t.${quoted(column)} = r.${quoted(column)}`).join(' AND ');
}

/** In the order of the keys, so that two writers wait for each other instead of deadlocking. */
export function selectStatement(shape: TableShape, lock: boolean): string {
  const order = shape.key.map((column) => `t.${quoted(column)}`).join(', ');
  return `SELECT (e.n - 1)::int4 AS at, to_jsonb(t)::text AS row FROM ${rowsGiven(shape.name)}, ${shape.name} AS t
          WHERE ${sameKey(shape)} ORDER BY ${order}${lock ? ' FOR UPDATE OF t' : ''}`;
}

/**
 * The rows behind a key, in the order of the key's own types and collations, which its index has. The key is a subquery, because
 * the planner then knows that it is one value, and reads on in the index instead of sorting what is left.
 */
export function rangeStatement(shape: TableShape, first: boolean): string {
  const columns = shape.key.map((column) => `t.${quoted(column)}`);
  const bounds = shape.key.map(
    (column) => `(SELECT r.${quoted(column)} FROM jsonb_populate_record(NULL::${shape.name}, $1::jsonb) AS r)`,
  );
  const behind = first ? '' : `(${columns.join(', ')}) > (${bounds.join(', ')}) AND `;
  const filled = columns.map((column) => `${column} IS NOT NULL`).join(' AND ');
  return `SELECT to_jsonb(t)::text AS row FROM ${shape.name} AS t WHERE ${behind}${filled} ORDER BY ${columns.join(', ')}
          LIMIT $${first ? 1 : 2}::int`;
}

/** Somebody may have inserted the key since it was looked for: then the row is not there afterwards as it should be. */
export function insertStatement(shape: TableShape, columns: readonly Column[]): string {
  const values = columns.map((column) => {
    const value = `r.${quoted(column.name)}`;
    if (column.preset === null) return value;
    if (column.notNull) return `coalesce(${value}, ${column.preset})`;
    return `CASE WHEN e.doc ? ${literal(column.name)} THEN ${value} ELSE ${column.preset} END`;
  });
  return `INSERT INTO ${shape.name} (${columns.map(({ name }) => quoted(name)).join(', ')})
          SELECT ${values.join(', ')} FROM ${rowsGiven(shape.name)} ORDER BY e.n
          ON CONFLICT (${shape.key.map(quoted).join(', ')}) DO NOTHING`;
}

/** What was not said stays, and so does what the column does not take as null. */
export function updateStatement(shape: TableShape, columns: readonly Column[]): string | undefined {
  const written = columns.filter(({ name }) => !shape.key.includes(name));
  if (written.length === 0) return undefined;
  const values = written.map(({ name, notNull }) => {
    const [value, present] = [`r.${quoted(name)}`, `t.${quoted(name)}`];
    const said = notNull ? `coalesce(${value}, ${present})` : value;
    return `${quoted(name)} = CASE WHEN e.doc ? ${literal(name)} THEN ${said} ELSE ${present} END`;
  });
  return `UPDATE ${shape.name} AS t SET ${values.join(', ')} FROM ${rowsGiven(shape.name)} WHERE ${sameKey(shape)}`;
}

export function deleteStatement(shape: TableShape): string {
  return `DELETE FROM ${shape.name} AS t USING ${rowsGiven(shape.name)} WHERE ${sameKey(shape)}`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
