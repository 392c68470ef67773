import type pg from 'pg';
import { SyncError } from '../../core/errors.ts';
import { fittingKey } from '../tables/fitting-table.ts';
import type { TableDeclaration } from '../tables/table-declaration.ts';

export interface Column {
  readonly name: string;
  /** Null stands for "not said" where the column takes none. */
  readonly notNull: boolean;
  /** The expression behind DEFAULT; null where there is none. */
  readonly preset: string | null;
  /** The database alone gives it its value. */
  readonly generated: boolean;
}

export interface TableShape {
  readonly kind: string;
  /** Quoted, with its schema. */
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: ReadonlyMap<string, Column>;
}

export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

interface TableRow {
  oid: string;
  user: string;
  standby: boolean;
  read_only: string;
  selects: boolean;
  inserts: boolean;
  updates: boolean;
  deletes: boolean;
}

interface ColumnRow {
  name: string;
  not_null: boolean;
  preset: string | null;
  generated: boolean;
}

type Queryable = Pick<pg.ClientBase, 'query'>;
type Misfit = (message: string) => SyncError;

/** What the database says of the table, held against what the configuration says. */
export async function readTableShape(client: Queryable, declaration: TableDeclaration): Promise<TableShape> {
  const [schema, table] = declaration.table.includes('.') ? declaration.table.split('.') : ['public', declaration.table];
  const name = `${quoted(schema!)}.${quoted(table!)}`;
  const misfit = (message: string) =>
    new SyncError('target.misconfigured', message, { details: { table: name, kind: declaration.kind } });
  const found = await client.query<TableRow>(
    `SELECT c.oid::int8 AS oid, current_user AS "user", pg_is_in_recovery() AS standby,
            current_setting('default_transaction_read_only') AS read_only,
            has_any_column_privilege(c.oid, 'SELECT') AS selects, has_any_column_privilege(c.oid, 'INSERT') AS inserts,
            has_any_column_privilege(c.oid, 'UPDATE') AS updates, has_table_privilege(c.oid, 'DELETE') AS deletes
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
    [schema, table],
  );
  const row = found.rows[0];
  if (row === undefined) throw misfit(`the table ${name} does not exist in this database, or its schema may not be used`);
  checkPermissions(row, name, declaration.deletes, misfit);
  const { rows } = await client.query<ColumnRow>(
    `SELECT a.attname AS name, a.attnotnull AS not_null, pg_get_expr(d.adbin, d.adrelid) AS preset,
            (a.attgenerated <> '' OR a.attidentity = 'a') AS generated
     FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [row.oid],
  );
  const columns = new Map(
    rows.map((column) => [
      column.name,
      {
        name: column.name,
        notNull: column.not_null,
        preset: column.generated ? null : column.preset,
        generated: column.generated,
      },
    ]),
  );
  const uniqueKeys = await readUniqueKeys(client, row.oid);
  fittingKey({ name, columns, uniqueKeys }, declaration, quoted, 'CREATE UNIQUE INDEX');
  return { kind: declaration.kind, name, key: declaration.key, columns };
}

function checkPermissions(row: TableRow, name: string, deletes: boolean, misfit: Misfit): void {
  if (row.standby) throw misfit('this server is a standby, which takes no writes: name the primary');
  if (row.read_only === 'on') {
    throw misfit(
      `the user ${quoted(row.user)} may only read: ALTER ROLE ${quoted(row.user)} SET default_transaction_read_only = off`,
    );
  }
  const wanted = { SELECT: row.selects, INSERT: row.inserts, UPDATE: row.updates, ...(deletes ? { DELETE: row.deletes } : {}) };
  const missing = Object.entries(wanted).flatMap(([privilege, granted]) => (granted ? [] : [privilege]));
  if (missing.length > 0) {
    throw misfit(
      `the user ${quoted(row.user)} may not write ${name}: GRANT ${missing.join(', ')} ON ${name} TO ${quoted(row.user)}`,
    );
  }
}

/** Of every index that tells all rows apart. */
export async function readUniqueKeys(client: Queryable, oid: string): Promise<string[][]> {
  const { rows } = await client.query<{ columns: string[] }>(
    `SELECT array_agg(a.attname::text) AS columns
     FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1])
     WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
     GROUP BY i.indexrelid`,
    [oid],
  );
  return rows.map(({ columns }) => columns);
}
