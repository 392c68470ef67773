import { type Column, columnTypeOf } from './column-type.ts';
import type { Cell, FirebirdTransaction } from './firebird-session.ts';

/** A table or view as the database describes it. */
export interface Relation {
  readonly name: string;
  readonly owner: string;
  readonly isView: boolean;
  readonly columns: ReadonlyMap<string, Column>;
  /** Empty where there is none. */
  readonly primaryKey: readonly string[];
  /** Column lists under which no two rows are equal. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** Rises with every change of its columns. */
  readonly format: number;
}

export interface SessionFacts {
  readonly user: string;
  /** May see and do everything. */
  readonly isOwner: boolean;
}

export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export async function sessionFacts(transaction: FirebirdTransaction): Promise<SessionFacts> {
  const [row] = await transaction.rows(`SELECT TRIM(CURRENT_USER), TRIM(CURRENT_ROLE), TRIM(MON$OWNER) FROM MON$DATABASE`);
  const [user, role, owner] = row!.map(textOf);
  return { user: user!, isOwner: user === 'SYSDBA' || user === owner || role === 'RDB$ADMIN' };
}

/** Undefined where there is none of this name. Names in small letters are also looked for in capitals, as SQL does it. */
export async function readRelation(transaction: FirebirdTransaction, wished: string): Promise<Relation | undefined> {
  for (const name of new Set([wished, wished.toUpperCase()])) {
    const [found] = await transaction.rows(
      `SELECT TRIM(RDB$OWNER_NAME), IIF(RDB$VIEW_BLR IS NULL, 0, 1), COALESCE(RDB$FORMAT, 0) FROM RDB$RELATIONS WHERE RDB$RELATION_NAME = ?`,
      [name],
    );
    if (found === undefined) continue;
    const uniqueKeys = await readUniqueKeys(transaction, name);
    return {
      name,
      owner: textOf(found[0]!),
      isView: Number(found[1]) === 1,
      format: Number(found[2]),
      columns: await readColumns(transaction, name),
      primaryKey: uniqueKeys.find(({ isPrimary }) => isPrimary)?.columns ?? [],
      uniqueKeys: uniqueKeys.map(({ columns }) => columns),
    };
  }
  return undefined;
}

async function readColumns(transaction: FirebirdTransaction, relation: string): Promise<ReadonlyMap<string, Column>> {
  const rows = await transaction.rows(
    `SELECT TRIM(r.RDB$FIELD_NAME), f.RDB$FIELD_TYPE, COALESCE(f.RDB$FIELD_SUB_TYPE, 0), COALESCE(f.RDB$FIELD_SCALE, 0),
            COALESCE(f.RDB$FIELD_PRECISION, 0), f.RDB$FIELD_LENGTH, COALESCE(f.RDB$CHARACTER_LENGTH, f.RDB$FIELD_LENGTH),
            TRIM(COALESCE(s.RDB$CHARACTER_SET_NAME, 'NONE')), TRIM(COALESCE(c.RDB$COLLATION_NAME, '')),
            IIF(f.RDB$DIMENSIONS IS NULL, 0, 1), IIF(COALESCE(r.RDB$NULL_FLAG, f.RDB$NULL_FLAG, 0) = 0, 0, 1),
            CAST(COALESCE(r.RDB$DEFAULT_SOURCE, f.RDB$DEFAULT_SOURCE) AS VARCHAR(2000)),
            IIF(f.RDB$COMPUTED_BLR IS NULL, 0, 1), COALESCE(r.RDB$IDENTITY_TYPE, -1)
     FROM RDB$RELATION_FIELDS r JOIN RDB$FIELDS f ON f.RDB$FIELD_NAME = r.RDB$FIELD_SOURCE
     LEFT JOIN RDB$CHARACTER_SETS s ON s.RDB$CHARACTER_SET_ID = f.RDB$CHARACTER_SET_ID
     LEFT JOIN RDB$COLLATIONS c ON c.RDB$CHARACTER_SET_ID = f.RDB$CHARACTER_SET_ID
       AND c.RDB$COLLATION_ID = COALESCE(r.RDB$COLLATION_ID, f.RDB$COLLATION_ID)
     WHERE r.RDB$RELATION_NAME = ? ORDER BY r.RDB$FIELD_POSITION`,
    [relation],
  );
  return new Map(rows.map((row) => [textOf(row[0]!), columnFrom(row, relation)]));
}

/** GENERATED ALWAYS is 0 in `RDB$IDENTITY_TYPE`; BY DEFAULT, the only kind Firebird 3 has, is 1. */
function columnFrom(row: readonly Cell[], relation: string): Column {
  const name = textOf(row[0]!);
  const [type, subType, scale, precision, length, characters] = row.slice(1, 7).map(Number);
  const [characterSet, collation] = [textOf(row[7]!), textOf(row[8]!)];
  const facts = {
    type: type!,
    subType: subType!,
    scale: scale!,
    precision: precision!,
    length: length!,
    characters: characters!,
  };
  const columnType = columnTypeOf(
    { ...facts, characterSet, isArray: Number(row[9]) === 1 },
    `${quoted(relation)}.${quoted(name)}`,
  );
  const collated = columnType.kind === 'text' && collation !== '' && collation !== characterSet;
  const source = row[11] === null ? null : textOf(row[11]!).trim();
  return {
    name,
    type: columnType,
    declared: collated ? `${columnType.sql} COLLATE ${collation}` : columnType.sql,
    notNull: Number(row[10]) === 1,
    preset: source === null ? null : source.replace(/^(DEFAULT|=)\s*/i, ''),
    generated: Number(row[12]) === 1 || Number(row[13]) === 0,
  };
}

async function readUniqueKeys(
  transaction: FirebirdTransaction,
  relation: string,
): Promise<{ readonly isPrimary: boolean; readonly columns: readonly string[] }[]> {
  const rows = await transaction.rows(
    `SELECT TRIM(i.RDB$INDEX_NAME), TRIM(s.RDB$FIELD_NAME), IIF(k.RDB$CONSTRAINT_TYPE = 'PRIMARY KEY', 1, 0)
     FROM RDB$INDICES i JOIN RDB$INDEX_SEGMENTS s ON s.RDB$INDEX_NAME = i.RDB$INDEX_NAME
     LEFT JOIN RDB$RELATION_CONSTRAINTS k ON k.RDB$INDEX_NAME = i.RDB$INDEX_NAME
     WHERE i.RDB$RELATION_NAME = ? AND i.RDB$UNIQUE_FLAG = 1 AND COALESCE(i.RDB$INDEX_INACTIVE, 0) = 0
     ORDER BY i.RDB$INDEX_NAME, s.RDB$FIELD_POSITION`,
    [relation],
  );
  const keys = new Map<string, { isPrimary: boolean; columns: string[] }>();
  for (const [index, column, primary] of rows) {
    const key = keys.get(textOf(index!)) ?? { isPrimary: Number(primary) === 1, columns: [] };
    key.columns.push(textOf(column!));
    keys.set(textOf(index!), key);
  }
  return [...keys.values()];
}

function textOf(cell: Cell): string {
  return String(cell);
}
