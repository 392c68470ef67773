import { SyncError } from '../../core/errors.ts';
import { fittingKey, isSameKey } from '../tables/fitting-table.ts';
import type { TableDeclaration } from '../tables/table-declaration.ts';
import { nameOfTable, type Relation, readRelation } from './catalogue.ts';
import { asTargetError, faultOf } from './mysql-fault.ts';
import type { MysqlSession } from './mysql-session.ts';
import { type KeyColumn, keyColumns, userOf } from './mysql-table.ts';
import { quoted } from './sql-literal.ts';

export interface TargetTable {
  readonly kind: string;
  readonly relation: Relation;
  readonly key: readonly KeyColumn[];
  /** The index whose conflicts say that somebody has put the row in. */
  readonly keyIndex: string;
}

/** What the database says of the table, held against what the configuration says. */
export async function findTargetTable(
  session: MysqlSession,
  declaration: TableDeclaration,
  database: string,
): Promise<TargetTable> {
  const names = nameOfTable(declaration.table, database);
  const misfit = (message: string) =>
    new SyncError('target.misconfigured', message, { details: { table: names.name, kind: declaration.kind } });
  const grant = `GRANT SELECT, INSERT, UPDATE${declaration.deletes ? ', DELETE' : ''} ON ${names.name} TO ${userOf(session)}`;
  const relation = await readRelation(session, names).catch((error: unknown) => {
    throw asTargetError(error, names.name);
  });
  if (relation === undefined)
    throw misfit(`the table ${names.name} does not exist, or ${session.facts.user} may not know of it: ${grant}`);
  if (relation.isView) throw misfit(`${names.name} is a view: name the table behind it`);
  if (relation.engine !== null && /^(MyISAM|Aria|MEMORY|CSV)$/i.test(relation.engine)) {
    throw misfit(
      `${names.name} is a ${relation.engine} table, which cannot take back half a batch: ALTER TABLE ${names.name} ENGINE = InnoDB`,
    );
  }
  const uniqueKeys = relation.uniqueIndexes.map(({ columns }) => columns);
  const key = keyColumns(relation, fittingKey({ ...relation, uniqueKeys }, declaration, quoted));
  const keyIndex = relation.uniqueIndexes.find(({ columns }) => isSameKey(columns, declaration.key))!.name;
  await tryRights(session, names.name, declaration, grant);
  return { kind: declaration.kind, relation, key, keyIndex };
}

/** Statements that meet no row: the server refuses them as it would refuse those that do. */
export async function tryRights(
  session: MysqlSession,
  name: string,
  { key, deletes }: Pick<TableDeclaration, 'key' | 'deletes'>,
  grant: string,
): Promise<void> {
  const column = quoted(key[0]!);
  const statements = [
    `SELECT 1 FROM ${name} LIMIT 0`,
    `INSERT INTO ${name} (${column}) SELECT ${column} FROM ${name} WHERE 1 = 0`,
    `UPDATE ${name} SET ${column} = ${column} WHERE 1 = 0`,
    ...(deletes ? [`DELETE FROM ${name} WHERE 1 = 0`] : []),
  ];
  for (const statement of statements) await tryRight(session, statement, name, grant);
}

async function tryRight(session: MysqlSession, statement: string, name: string, grant: string): Promise<void> {
  try {
    await session.run([statement]);
  } catch (error) {
    // A column without a default would be missed, if there were a row: that is looked at later than the right.
    if (faultOf(error) === 'data') return;
    const told = asTargetError(error, name);
    if (!(told instanceof SyncError) || told.code !== 'target.misconfigured') throw told;
    const advice = /read.only/i.test(told.message) ? 'this server or user may only read: name the primary' : grant;
    throw new SyncError(told.code, `the user ${session.facts.user} may not write ${name}: ${advice}`, { cause: error });
  }
}
