import type { Relation } from './catalogue.ts';
import type { Column } from './column-type.ts';

/** A table of PostgreSQL that holds what a table of SQL Server is told as. */
export interface DdlRequest {
  readonly relation: Relation;
  /** Its columns as SQL Server calls them. */
  readonly key: readonly string[];
  /** The column that changes are found by, where there is one. */
  readonly watermark: string;
  readonly schema: string;
  readonly table: string;
}

const stamp = 'updated_at';

/** One statement each; run twice they change nothing more. */
export function targetDdl({ relation, key, watermark, schema, table }: DdlRequest): string[] {
  const [place, touch] = [`${quoted(schema)}.${quoted(table)}`, `${quoted(schema)}.${quoted(`${table}_touch`)}`];
  const columns = [...relation.columns.values()];
  const keyNames = key.map(lowered);
  const definitions = columns.map((column) => {
    const isKey = keyNames.includes(lowered(column.name));
    return `${quoted(lowered(column.name))} ${postgresType(column)}${isKey ? ' NOT NULL' : ''}`;
  });
  // A column of that name is the source's own word.
  const isStamped = !columns.some(({ name }) => lowered(name) === stamp);
  if (isStamped) definitions.push(`${quoted(stamp)} timestamp with time zone NOT NULL DEFAULT now()`);
  definitions.push(`PRIMARY KEY (${keyNames.map(quoted).join(', ')})`);
  const statements = [`CREATE TABLE IF NOT EXISTS ${place} (\n  ${definitions.join(',\n  ')}\n)`];
  const indexed = columns.find(({ name }) => lowered(name) === lowered(watermark));
  if (indexed !== undefined) {
    const index = quoted(`${table}_${lowered(indexed.name)}_idx`);
    statements.push(`CREATE INDEX IF NOT EXISTS ${index} ON ${place} (${quoted(lowered(indexed.name))})`);
  }
  if (!isStamped) return statements;
  return [
    ...statements,
    `CREATE OR REPLACE FUNCTION ${touch}() RETURNS trigger LANGUAGE plpgsql AS $touch$
BEGIN
  NEW.${quoted(stamp)} := now();
  RETURN NEW;
END
$touch$`,
    `CREATE OR REPLACE TRIGGER ${quoted(`${table}_touch`)} BEFORE UPDATE ON ${place} FOR EACH ROW EXECUTE FUNCTION ${touch}()`,
  ];
}

const numberTypes: Readonly<Record<string, string>> = {
  tinyint: 'smallint',
  smallint: 'smallint',
  int: 'integer',
  bigint: 'bigint',
};

/** What takes every value as it is told; PostgreSQL keeps six digits of a second. */
function postgresType({ kind, declared }: Column): string {
  const length = /\((\d+)\)/.exec(declared)?.[1];
  const digits = Math.min(Number(length ?? 6), 6);
  switch (kind) {
    case 'number':
      return numberTypes[declared] ?? declared.replace(/^\w+/, 'numeric');
    case 'money':
      return 'numeric(19,4)';
    case 'float':
      return 'double precision';
    case 'real':
      return 'real';
    case 'bit':
      return 'boolean';
    case 'varying':
    case 'fixed':
      return `varchar(${length})`;
    case 'uuid':
      return 'uuid';
    case 'datetime':
      return 'timestamp(3)';
    case 'smalldatetime':
      return 'timestamp(0)';
    case 'datetime2':
      return `timestamp(${digits})`;
    case 'offset':
      return `timestamp(${digits}) with time zone`;
    case 'date':
      return 'date';
    case 'time':
      return `time(${digits})`;
    default:
      // Bytes are told as base64.
      return 'text';
  }
}

export function lowered(name: string): string {
  return name.toLowerCase();
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
