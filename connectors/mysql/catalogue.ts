import { type Column, columnTypeOf } from './column-type.ts';
import { faultOf } from './mysql-fault.ts';
import type { Cell, MysqlSession } from './mysql-session.ts';
import { quoted, textLiteral } from './sql-literal.ts';

export interface UniqueIndex {
  readonly name: string;
  readonly columns: readonly string[];
}

/** A table or view as the database describes it. */
export interface Relation {
  readonly schema: string;
  readonly table: string;
  /** Quoted, with its database. */
  readonly name: string;
  readonly isView: boolean;
  readonly engine: string | null;
  readonly columns: ReadonlyMap<string, Column>;
  readonly primaryKey: readonly string[];
  /** An index over the beginnings of its columns tells the columns apart as well. */
  readonly uniqueIndexes: readonly UniqueIndex[];
}

/** Of `table`, or of `database.table`. */
export function nameOfTable(configured: string, database: string): { schema: string; table: string; name: string } {
  const [schema, table] = configured.includes('.') ? (configured.split('.') as [string, string]) : [database, configured];
  return { schema, table, name: `${quoted(schema)}.${quoted(table)}` };
}

/** Undefined where the user may know of no such table. */
export async function readRelation(
  session: MysqlSession,
  { schema, table, name }: ReturnType<typeof nameOfTable>,
): Promise<Relation | undefined> {
  const [schemaText, tableText] = [textLiteral(schema), textLiteral(table)];
  const where = `WHERE TABLE_SCHEMA = ${schemaText} AND TABLE_NAME = ${tableText}`;
  const [found] = await session.rows(`SELECT TABLE_TYPE, ENGINE FROM information_schema.TABLES ${where}`);
  if (found === undefined) return undefined;
  const [tableType, engine] = found.map(textOf);
  const isView = tableType !== 'BASE TABLE';
  const checkedJson = isView ? new Set<string>() : await readCheckedJson(session, name);
  const columns = new Map<string, Column>();
  for (const cells of await session.rows(
    `SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, COLLATION_NAME, GENERATION_EXPRESSION, PRIVILEGES
     FROM information_schema.COLUMNS ${where} ORDER BY ORDINAL_POSITION`,
  )) {
    const [column, dataType, declared, nullable, characterSet, collation, expression, privileges] = cells.map(textOf);
    const isCheckedJson = checkedJson.has(column!);
    const type = columnTypeOf({
      dataType: dataType!,
      declared: declared!,
      characterSet: characterSet!,
      collation: collation!,
      isCheckedJson,
    });
    columns.set(column!, {
      name: column!,
      type,
      declared: isCheckedJson ? 'json' : declared!,
      notNull: nullable === 'NO',
      generated: expression !== null && expression !== '',
      readable: privileges!.split(',').includes('select'),
    });
  }
  const indexes = await readUniqueIndexes(session, where);
  const primaryKey = indexes.find((index) => index.name === 'PRIMARY')?.columns ?? [];
  return { schema, table, name, isView, engine: engine ?? null, columns, primaryKey, uniqueIndexes: indexes };
}

async function readUniqueIndexes(session: MysqlSession, where: string): Promise<UniqueIndex[]> {
  const indexes = new Map<string, string[]>();
  const overExpressions = new Set<string>();
  for (const cells of await session.rows(
    `SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS ${where} AND NON_UNIQUE = 0
     ORDER BY INDEX_NAME, SEQ_IN_INDEX`,
  )) {
    const [index, column] = cells.map(textOf);
    if (column === null) overExpressions.add(index!);
    indexes.set(index!, [...(indexes.get(index!) ?? []), column ?? '']);
  }
  return [...indexes].flatMap(([name, columns]) => (overExpressions.has(name) ? [] : [{ name, columns }]));
}

const jsonCheck = /json_valid\(`((?:[^`]|``)+)`\)/gi;

/** The checks of a table are shown by its definition to everybody who may read it, by the catalogue only to its owners. */
async function readCheckedJson(session: MysqlSession, name: string): Promise<Set<string>> {
  if (!session.facts.isMariadb) return new Set();
  const definition = await session.rows(`SHOW CREATE TABLE ${name}`).then(
    ([row]) => textOf(row![1]) ?? '',
    (error: unknown) => {
      // Not shown to those who may read some of its columns only.
      if (faultOf(error) === 'permission') return '';
      throw error;
    },
  );
  return new Set([...definition.matchAll(jsonCheck)].map(([, column]) => column!.replaceAll('``', '`')));
}

export function textOf(cell: Cell | undefined): string | null {
  return cell === null || cell === undefined ? null : cell.toString('utf8');
}
