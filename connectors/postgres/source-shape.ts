import type pg from 'pg';
import { nearestName } from '../../core/config/suggestion.ts';
import { SyncError } from '../../core/errors.ts';
import type { TableSelection, TableShape } from '../../core/ports/table-reader.ts';
import { type NamedColumns, unknownColumn } from '../tables/named-columns.ts';
import { quoted, readUniqueKeys } from './table-shape.ts';

/** A table with what the statements need to know of it. */
export interface PostgresShape extends TableShape {
  /** Of every column: how a text becomes its type again, and whether it is a time, a number or neither. */
  readonly types: ReadonlyMap<string, { readonly type: string; readonly category: string }>;
}

interface RelationRow {
  oid: string;
  user: string;
  usage: boolean;
}

interface ColumnRow {
  name: string;
  type: string;
  category: string;
  not_null: boolean;
  readable: boolean;
  collation: string | null;
}

type Misfit = (message: string) => SyncError;

/** What the database says of the table, held against what the configuration says. Run in one transaction. */
export async function readSourceShape(client: pg.ClientBase, selection: TableSelection): Promise<PostgresShape> {
  const [schema, table] = selection.table.includes('.') ? selection.table.split('.') : ['public', selection.table];
  const name = `${quoted(schema!)}.${quoted(table!)}`;
  const misfit: Misfit = (message) => new SyncError('source.misconfigured', message, { details: { table: name } });
  const relation = await findRelation(client, schema!, table!, name, misfit);
  const { rows } = await client.query<ColumnRow>(columnsText, [relation.oid]);
  const columns = new Map(rows.map((column) => [column.name, column]));
  const named = { name, columns };
  const key = selection.key.length > 0 ? selection.key : await primaryKey(client, relation.oid);
  if (key.length === 0) throw misfit(`${name} has no primary key: name the columns that tell its rows apart under \`key\``);
  for (const column of key) requireColumn(named, column, 'the key', misfit);
  for (const column of selection.columns ?? []) requireColumn(named, column, '`columns`', misfit);
  if (selection.watermark !== null) requireColumn(named, selection.watermark, '`watermark`', misfit);
  const wanted = new Set([...(selection.columns ?? columns.keys()), ...key, selection.watermark ?? key[0]!]);
  const read = rows.filter((column) => wanted.has(column.name));
  if (read.some(({ readable }) => !readable)) {
    throw misfit(`the user ${quoted(relation.user)} may not read ${name}: GRANT SELECT ON ${name} TO ${quoted(relation.user)}`);
  }
  await checkKey(client, relation.oid, name, key, columns, misfit);
  const order = key.map((column) => `${columns.get(column)!.type} ${columns.get(column)!.collation ?? ''}`).join(', ');
  return {
    name,
    key,
    columns: read.map((column) => ({ name: column.name, type: column.type })),
    watermark: selection.watermark,
    order,
    types: new Map(rows.map((column) => [column.name, { type: column.type, category: column.category }])),
  };
}

/** The version of a collation is that of the library that sorts: an upgrade may order texts otherwise. */
const columnsText = `
  SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, t.typcategory AS category, a.attnotnull AS not_null,
    has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable,
    CASE WHEN a.attcollation <> 0 THEN
      CASE WHEN n.collname = 'default'
        THEN (SELECT d.datcollate || ' ' || coalesce(to_jsonb(d) ->> 'datcollversion', '') FROM pg_database d WHERE d.datname = current_database())
        ELSE n.collname || ' ' || coalesce(n.collversion, '') END
    END AS collation
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation n ON n.oid = a.attcollation
  WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

async function findRelation(
  client: pg.ClientBase,
  schema: string,
  table: string,
  name: string,
  misfit: Misfit,
): Promise<RelationRow> {
  const { rows } = await client.query<RelationRow>(
    `SELECT c.oid::text AS oid, current_user AS "user", has_schema_privilege(n.oid, 'USAGE') AS usage
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
    [schema, table],
  );
  const found = rows[0];
  if (found === undefined) {
    const others = await client.query<{ name: string }>(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
      [schema],
    );
    const near = nearestName(
      table,
      others.rows.map((row) => row.name),
    );
    throw misfit(
      `the table ${name} does not exist in this database${near === undefined ? '' : `: did you mean ${quoted(near)}?`}`,
    );
  }
  if (!found.usage)
    throw misfit(
      `the user ${quoted(found.user)} may not use the schema of ${name}: GRANT USAGE ON SCHEMA ${quoted(schema)} TO ${quoted(found.user)}`,
    );
  return found;
}

async function primaryKey(client: pg.ClientBase, oid: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT a.attname AS name FROM pg_index i
     CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(attnum, n)
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE i.indrelid = $1 AND i.indisprimary ORDER BY k.n`,
    [oid],
  );
  return rows.map(({ name }) => name);
}

/** What no unique index promises is counted. */
async function checkKey(
  client: pg.ClientBase,
  oid: string,
  name: string,
  key: readonly string[],
  columns: ReadonlyMap<string, ColumnRow>,
  misfit: Misfit,
): Promise<void> {
  const list = key.map(quoted).join(', ');
  const uniqueKeys = await readUniqueKeys(client, oid);
  const isUnique = uniqueKeys.some((unique) => unique.every((column) => key.includes(column)));
  if (!key.every((column) => columns.get(column)!.not_null)) {
    const empty = await client.query(
      `SELECT 1 FROM ${name} WHERE ${key.map((column) => `${quoted(column)} IS NULL`).join(' OR ')} LIMIT 1`,
    );
    if (empty.rows.length > 0) throw misfit(`${name} has rows without a key (${list}): choose columns that are always filled`);
  }
  if (isUnique) return;
  const twice = await client.query<{ key: string }>(
    `SELECT concat_ws(', ', ${key.map((column) => `${quoted(column)}::text`).join(', ')}) AS key FROM ${name}
     GROUP BY ${list} HAVING count(*) > 1 LIMIT 1`,
  );
  if (twice.rows.length > 0)
    throw misfit(`the key (${list}) does not tell the rows of ${name} apart: ${twice.rows[0]!.key} stands in more than one`);
}

function requireColumn(table: NamedColumns<ColumnRow>, column: string, whose: string, misfit: Misfit): void {
  if (!table.columns.has(column)) throw misfit(unknownColumn(table, column, whose, quoted));
}
