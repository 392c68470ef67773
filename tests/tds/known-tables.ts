import type { EngineSession } from './engine.ts';

/** What a double's database was told of its tables, as SQL Server's catalogue has it and H2's has not. */
export interface KnownColumn {
  readonly name: string;
  /** In small letters: `datetime2(7)`. */
  readonly declared: string;
  readonly notNull: boolean;
  readonly collation: string | null;
}

export interface KnownIndex {
  readonly name: string;
  readonly isPrimary: boolean;
  readonly hasFilter: boolean;
  readonly columns: readonly string[];
}

export interface KnownTable {
  readonly id: number;
  readonly name: string;
  readonly type: 'U' | 'V';
  columns: KnownColumn[];
  indexes: KnownIndex[];
}

/** Base types by their numbers. */
const typeNumbers: Readonly<Record<string, number>> = {
  image: 34,
  text: 35,
  uniqueidentifier: 36,
  date: 40,
  time: 41,
  datetime2: 42,
  datetimeoffset: 43,
  tinyint: 48,
  smallint: 52,
  int: 56,
  smalldatetime: 58,
  real: 59,
  money: 60,
  datetime: 61,
  float: 62,
  sql_variant: 98,
  ntext: 99,
  bit: 104,
  decimal: 106,
  numeric: 108,
  smallmoney: 122,
  bigint: 127,
  varbinary: 165,
  varchar: 167,
  binary: 173,
  char: 175,
  timestamp: 189,
  nvarchar: 231,
  nchar: 239,
  xml: 241,
};

export function baseOf(declared: string): string {
  const base = /^\w+/.exec(declared)![0];
  return base === 'rowversion' ? 'timestamp' : base;
}

/** The catalogue as tables of the engine: what asks them is ordinary SQL. */
export const catalogueScript: readonly string[] = [
  'CREATE SCHEMA IF NOT EXISTS sys',
  'CREATE TABLE sys.schemas (schema_id INT, name VARCHAR_IGNORECASE(128))',
  `INSERT INTO sys.schemas VALUES (1, 'dbo')`,
  'CREATE TABLE sys.types (user_type_id INT, name VARCHAR_IGNORECASE(128))',
  `INSERT INTO sys.types VALUES ${Object.entries(typeNumbers)
    .map(([name, number]) => `(${number}, '${name}')`)
    .join(', ')}`,
  'CREATE TABLE sys.all_objects (object_id INT, schema_id INT, name VARCHAR_IGNORECASE(128), type VARCHAR(2))',
  `CREATE TABLE sys.columns (object_id INT, column_id INT, name VARCHAR_IGNORECASE(128), system_type_id INT, user_type_id INT,
     max_length INT, precision INT, scale INT, is_nullable INT, collation_name VARCHAR(128))`,
  `CREATE TABLE sys.indexes (object_id INT, index_id INT, name VARCHAR_IGNORECASE(128), is_unique INT, is_primary_key INT,
     has_filter INT, is_disabled INT)`,
  'CREATE TABLE sys.index_columns (object_id INT, index_id INT, column_id INT, key_ordinal INT, is_included_column INT)',
  'CREATE TABLE sys.databases (name VARCHAR_IGNORECASE(128), snapshot_isolation_state INT)',
  'CREATE TABLE sys.dm_exec_sessions (session_id INT, program_name VARCHAR(128), database_name VARCHAR(128))',
  'CREATE TABLE sys.permissions (grantee VARCHAR_IGNORECASE(128), object_id INT, securable VARCHAR_IGNORECASE(300), column_name VARCHAR_IGNORECASE(128))',
  // A user knows of what he has a right to, and of nothing else; the administrator has all.
  `CREATE VIEW sys.visible_permissions AS SELECT * FROM sys.permissions WHERE grantee = CURRENT_USER
     UNION ALL SELECT CURRENT_USER, object_id, '[dbo].[' || name || ']', '' FROM sys.all_objects WHERE CURRENT_USER = 'SA'`,
  'CREATE VIEW sys.objects AS SELECT * FROM sys.all_objects WHERE object_id IN (SELECT object_id FROM sys.visible_permissions)',
  'GRANT SELECT ON SCHEMA sys TO PUBLIC',
];

/** Writes down what a table has become. */
export async function recordTable(admin: EngineSession, { id, name, type, columns, indexes }: KnownTable): Promise<void> {
  await forgetTable(admin, id);
  await admin.ask('INSERT INTO sys.all_objects VALUES (?, 1, ?, ?)', [String(id), name, type]);
  for (const [at, { name: column, declared, notNull, collation }] of columns.entries()) {
    const base = baseOf(declared);
    const [first = -1, second = 0] = [...declared.matchAll(/\d+|max/g)]
      .map(([text]) => text)
      .filter((text) => !base.includes(text))
      .map((text) => (text === 'max' ? -1 : Number(text)));
    const isScaled = ['datetime2', 'datetimeoffset', 'time'].includes(base);
    const bytesMax = base.startsWith('n') && base !== 'numeric' && base !== 'ntext' && first > 0 ? first * 2 : first;
    const precision = base === 'decimal' || base === 'numeric' ? first : 0;
    const scale = isScaled ? (first === -1 ? 7 : first) : second;
    const values = [id, at + 1, column, typeNumbers[base], typeNumbers[base], bytesMax, precision, scale, notNull ? 0 : 1];
    await admin.ask('INSERT INTO sys.columns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)', [...values.map(String), collation]);
  }
  for (const [at, { name: index, isPrimary, hasFilter, columns: parts }] of indexes.entries()) {
    const flags = [1, isPrimary ? 1 : 0, hasFilter ? 1 : 0, 0];
    await admin.ask('INSERT INTO sys.indexes VALUES (?, ?, ?, ?, ?, ?, ?)', [id, at + 1, index, ...flags].map(String));
    for (const [ordinal, part] of parts.entries()) {
      const columnId = columns.findIndex((column) => column.name.toLowerCase() === part.toLowerCase()) + 1;
      await admin.ask('INSERT INTO sys.index_columns VALUES (?, ?, ?, ?, 0)', [id, at + 1, columnId, ordinal + 1].map(String));
    }
  }
}

export async function forgetTable(admin: EngineSession, id: number): Promise<void> {
  for (const table of ['all_objects', 'columns', 'indexes', 'index_columns'])
    await admin.ask(`DELETE FROM sys.${table} WHERE object_id = ?`, [String(id)]);
}
