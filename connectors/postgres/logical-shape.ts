import type pg from 'pg';
import { SyncError } from '../../core/errors.ts';
import type { TableSelection } from '../../core/ports/table-reader.ts';
import type { CellKind, CellType } from './pgoutput-cell.ts';
import { type PostgresShape, readSourceShape } from './source-shape.ts';
import { quoted } from './table-shape.ts';

/** A table with what reading it from the log needs to know. */
export interface LogicalShape extends PostgresShape {
  readonly schema: string;
  readonly table: string;
  readonly oid: number;
  /** Of every column that stands in the log. */
  readonly cells: ReadonlyMap<string, LoggedColumn>;
  /** Differs when a column is added, dropped, renamed or retyped, and when the table is another one of the same name. */
  readonly signature: string;
}

export interface LoggedColumn extends CellType {
  readonly typeOid: number;
  readonly type: string;
}

interface ColumnRow {
  oid: string;
  kind: string;
  identity: string;
  name: string;
  type_oid: string;
  type: string;
  base_oid: string;
  base_type: string;
  element_oid: string | null;
  element_type: string | null;
  delimiter: string | null;
  casts: boolean;
  generated: boolean;
  in_identity: boolean;
}

/** `row_to_json` looks through domains, and asks a cast to json where somebody made one. */
const columnsText = `
  WITH RECURSIVE relation AS (
    SELECT c.oid, c.relkind, c.relreplident FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2),
  looked_through(attnum, depth, oid) AS (
    SELECT a.attnum, 0, a.atttypid FROM pg_attribute a JOIN relation r ON a.attrelid = r.oid WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT l.attnum, l.depth + 1, t.typbasetype FROM looked_through l JOIN pg_type t ON t.oid = l.oid WHERE t.typtype = 'd'),
  base AS (SELECT DISTINCT ON (attnum) attnum, oid FROM looked_through ORDER BY attnum, depth DESC)
  SELECT r.oid::text, r.relkind AS kind, r.relreplident AS identity, a.attname AS name, a.atttypid::text AS type_oid,
    format_type(a.atttypid, a.atttypmod) AS type, t.oid::text AS base_oid, t.typtype AS base_type,
    CASE WHEN t.typlen = -1 AND t.oid NOT IN (22, 30) AND t.typcategory = 'A' THEN e.oid END::text AS element_oid,
    e.typtype AS element_type, e.typdelim AS delimiter,
    EXISTS (SELECT FROM pg_cast x WHERE x.castsource IN (t.oid, e.oid) AND x.casttarget = 'json'::regtype AND x.castsource >= 16384) AS casts,
    a.attgenerated <> '' AS generated,
    CASE r.relreplident WHEN 'f' THEN true WHEN 'n' THEN false ELSE EXISTS (
      SELECT FROM pg_index i WHERE i.indrelid = r.oid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
        AND CASE r.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END) END AS in_identity
  FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid JOIN base b ON b.attnum = a.attnum JOIN pg_type t ON t.oid = b.oid
    LEFT JOIN pg_type e ON e.oid = t.typelem
  WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;

/** For all tables whose names are given; compared with the signature of their shapes. */
export const signaturesText = `
  SELECT n.nspname AS schema, c.relname AS table, c.oid || ' ' || string_agg(a.attnum || ' ' || quote_ident(a.attname) || ' ' || a.atttypid || ' ' || a.atttypmod, ', ' ORDER BY a.attnum) AS signature
  FROM unnest($1::text[], $2::text[]) AS w(schema, name)
    JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  GROUP BY n.nspname, c.relname, c.oid`;

export async function readLogicalShape(client: pg.ClientBase, selection: TableSelection): Promise<LogicalShape> {
  const shape = await readSourceShape(client, selection);
  const [schema, table] = selection.table.includes('.') ? selection.table.split('.') : ['public', selection.table];
  const { rows } = await client.query<ColumnRow>(columnsText, [schema, table]);
  const signed = await client.query<{ signature: string }>(signaturesText, [[schema], [table]]);
  checkIdentity(shape, rows);
  return {
    ...shape,
    schema: schema!,
    table: table!,
    oid: Number(rows[0]!.oid),
    cells: new Map(rows.filter(({ generated }) => !generated).map((row) => [row.name, loggedColumnOf(row)])),
    signature: signed.rows[0]!.signature,
  };
}

/** A published table whose rows cannot be told apart refuses updates and deletes to everybody, so it is not published. */
function checkIdentity(shape: PostgresShape, rows: readonly ColumnRow[]): void {
  const misfit = (message: string) => new SyncError('source.misconfigured', message, { details: { table: shape.name } });
  const { kind, identity } = rows[0]!;
  if (kind !== 'r' && kind !== 'p')
    throw misfit(`${shape.name} is no table: \`mode: logical\` reads tables, \`compare\` and \`timestamp\` read views as well`);
  const identified = new Set(rows.filter((row) => row.in_identity).map(({ name }) => name));
  const missing = shape.key.filter((column) => !identified.has(column));
  if (missing.length === 0) return;
  const why =
    identity === 'n' || identified.size === 0 ? 'logs no old rows' : `logs old rows without ${missing.map(quoted).join(', ')}`;
  throw misfit(
    `${shape.name} ${why}, so deletions could not be told by the key (${shape.key.join(', ')}): ALTER TABLE ${shape.name} REPLICA IDENTITY FULL`,
  );
}

const scalarKinds: Readonly<Record<string, CellKind>> = {
  16: 'boolean',
  20: 'number',
  21: 'number',
  23: 'number',
  700: 'number',
  701: 'number',
  1700: 'number',
  114: 'json',
  3802: 'json',
  1114: 'timestamp',
  1184: 'timestamptz',
};

function loggedColumnOf(row: ColumnRow): LoggedColumn {
  const isArray = row.element_oid !== null;
  const isOdd = row.casts || row.base_type === 'c' || (isArray && 'cd'.includes(row.element_type!)) || row.base_oid === '2249';
  const kind = isOdd ? 'server' : (scalarKinds[isArray ? row.element_oid! : row.base_oid] ?? 'text');
  return {
    kind,
    isArray: isArray && !isOdd,
    delimiter: row.delimiter ?? ',',
    typeOid: Number(row.type_oid),
    type: row.type,
  };
}
