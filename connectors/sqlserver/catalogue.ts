import { type Column, declaredText, kindOf } from './column-type.ts';
import { type SqlServerQuery, textOf } from './sqlserver-query.ts';
import { quoted } from './table-statements.ts';

/** A table or view as the database describes it. */
export interface Relation {
  /** Quoted, with its schema. */
  readonly name: string;
  readonly isView: boolean;
  /** In the table's order. */
  readonly columns: ReadonlyMap<string, Column>;
  readonly primaryKey: readonly string[];
  /** Columns of every index that lets no two rows be the same. */
  readonly uniqueIndexes: readonly (readonly string[])[];
}

export interface TableName {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
}

/** Of `table`, or of `schema.table`. */
export function nameOfTable(configured: string, defaultSchema: string): TableName {
  const [schema, table] = configured.includes('.') ? (configured.split('.') as [string, string]) : [defaultSchema, configured];
  return { schema, table, name: `${quoted(schema)}.${quoted(table)}` };
}

/** Undefined where the user may know of no such table. */
export async function readRelation(query: SqlServerQuery, { schema, table }: TableName): Promise<Relation | undefined> {
  const [found] = await query.run(
    `SELECT CONVERT(varchar(11), o.object_id), RTRIM(o.type), s.name, o.name
     FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id
     WHERE s.name = @p0 AND o.name = @p1 AND o.type IN ('U', 'V')`,
    [schema, table],
  );
  if (found === undefined) return undefined;
  const [id, type, foundSchema, foundTable] = found.map(textOf) as [string, string, string, string];
  const name = `${quoted(foundSchema)}.${quoted(foundTable)}`;
  const columns = new Map((await readColumns(query, id, name)).map((column) => [column.name, column]));
  const { primaryKey, uniqueIndexes } = await readUniqueIndexes(query, id);
  return { name, isView: type === 'V', columns, primaryKey, uniqueIndexes };
}

/** Types of users' own are told by what they are made of; those of the runtime (geography) are made of nothing else. */
async function readColumns(query: SqlServerQuery, id: string, name: string): Promise<Column[]> {
  const rows = await query.run(
    `SELECT c.name, COALESCE(b.name, u.name), CONVERT(varchar(11), c.max_length), CONVERT(varchar(11), c.precision),
       CONVERT(varchar(11), c.scale), CONVERT(varchar(1), c.is_nullable), c.collation_name,
       CONVERT(varchar(1), HAS_PERMS_BY_NAME(@p1, 'OBJECT', 'SELECT', c.name, 'COLUMN'))
     FROM sys.columns AS c
     LEFT JOIN sys.types AS b ON b.user_type_id = c.system_type_id
     LEFT JOIN sys.types AS u ON u.user_type_id = c.user_type_id
     WHERE c.object_id = CONVERT(int, @p0) ORDER BY c.column_id`,
    [id, name],
  );
  return rows.map((cells) => {
    const [column, type, bytesMax, precision, scale, nullable, collation, readable] = cells.map(textOf);
    const declared = { type: type!, bytesMax: Number(bytesMax), precision: Number(precision), scale: Number(scale) };
    return {
      name: column!,
      kind: kindOf(declared),
      declared: declaredText(declared),
      collation: collation!,
      notNull: nullable === '0',
      readable: readable === '1',
    };
  });
}

/** An index with a filter, or one that is switched off, promises nothing of the other rows. */
async function readUniqueIndexes(
  query: SqlServerQuery,
  id: string,
): Promise<{ primaryKey: readonly string[]; uniqueIndexes: readonly (readonly string[])[] }> {
  const rows = await query.run(
    `SELECT i.name, CONVERT(varchar(1), i.is_primary_key), c.name
     FROM sys.indexes AS i
     JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id
     JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
     WHERE i.object_id = CONVERT(int, @p0) AND i.is_unique = 1 AND i.has_filter = 0 AND i.is_disabled = 0
       AND k.is_included_column = 0
     ORDER BY i.index_id, k.key_ordinal`,
    [id],
  );
  const indexes = new Map<string, string[]>();
  let primary = '';
  for (const cells of rows) {
    const [index, isPrimary, column] = cells.map(textOf);
    indexes.set(index!, [...(indexes.get(index!) ?? []), column!]);
    if (isPrimary === '1') primary = index!;
  }
  return { primaryKey: indexes.get(primary) ?? [], uniqueIndexes: [...indexes.values()] };
}
