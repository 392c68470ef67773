import { nearestName } from '../../core/config/suggestion.ts';
import { SyncError } from '../../core/errors.ts';
import { literal, quoted, type Relation, readRelation, type SessionFacts, sessionFacts } from './catalogue.ts';
import type { Column } from './column-type.ts';
import type { FirebirdTransaction } from './firebird-session.ts';

/** One kind of entity as a table. */
export interface TableDeclaration {
  readonly kind: string;
  readonly table: string;
  readonly key: readonly string[];
  readonly deletes: boolean;
  /** The columns the mapping writes; undefined where that depends on the record. */
  readonly columns: readonly string[] | undefined;
}

export interface TargetShape {
  readonly kind: string;
  readonly relation: Relation;
  /** Quoted, as messages call it. */
  readonly name: string;
  readonly key: readonly Column[];
  readonly columns: readonly Column[];
}

type Misfit = (message: string) => SyncError;

/** What the database says of the table, held against what the configuration says. */
export async function readTargetShape(transaction: FirebirdTransaction, declaration: TableDeclaration): Promise<TargetShape> {
  const relation = await readRelation(transaction, declaration.table);
  const name = quoted(relation?.name ?? declaration.table);
  const misfit: Misfit = (message) =>
    new SyncError('target.misconfigured', message, { details: { table: name, kind: declaration.kind } });
  if (relation === undefined) throw misfit(`the table ${name} does not exist in this database`);
  const facts = await sessionFacts(transaction);
  await checkWritable(transaction, relation, facts, declaration.deletes, misfit);
  const key = declaration.key.map((column) => requireColumn(relation, column, 'the key', misfit));
  for (const column of declaration.columns ?? [])
    requireColumn(relation, column, `the mapping rule \`fields.${column}\``, misfit);
  const wanted = [...declaration.key].sort().join('\0');
  if (!relation.uniqueKeys.some((unique) => [...unique].sort().join('\0') === wanted)) {
    const list = declaration.key.map(quoted).join(', ');
    throw misfit(`no unique index stands over the key of ${name}: CREATE UNIQUE INDEX … ON ${name} (${list})`);
  }
  return { kind: declaration.kind, relation, name, key, columns: [...relation.columns.values()] };
}

async function checkWritable(
  transaction: FirebirdTransaction,
  { name }: Relation,
  { user, isOwner }: SessionFacts,
  deletes: boolean,
  misfit: Misfit,
): Promise<void> {
  const [row] = await transaction.rows('SELECT MON$READ_ONLY FROM MON$DATABASE');
  if (Number(row![0]) === 1) throw misfit('this database is read-only, which takes no writes: `gfix -mode read_write` ends that');
  if (isOwner) return;
  const granted = await transaction.rows(
    `SELECT DISTINCT TRIM(RDB$PRIVILEGE) FROM RDB$USER_PRIVILEGES
     WHERE RDB$RELATION_NAME = ${literal(name)} AND TRIM(RDB$USER) IN (CURRENT_USER, CURRENT_ROLE, 'PUBLIC')`,
  );
  const letters = new Set(granted.map(([letter]) => String(letter)));
  const wanted = { SELECT: 'S', INSERT: 'I', UPDATE: 'U', ...(deletes ? { DELETE: 'D' } : {}) };
  const missing = Object.entries(wanted).flatMap(([privilege, letter]) => (letters.has(letter) ? [] : [privilege]));
  if (missing.length > 0) {
    const table = quoted(name);
    throw misfit(
      `the user ${quoted(user)} may not write ${table}: GRANT ${missing.join(', ')} ON ${table} TO USER ${quoted(user)}`,
    );
  }
}

function requireColumn(relation: Relation, name: string, whose: string, misfit: Misfit): Column {
  const column = relation.columns.get(name);
  if (column === undefined) throw misfit(unknownColumn(relation, name, whose));
  if (column.generated)
    throw misfit(`${whose} names the column ${quoted(name)} of ${quoted(relation.name)}, which the database alone fills`);
  return column;
}

/** Names are as the database keeps them: what was not quoted when the table was made is in capitals. */
export function unknownColumn({ columns, name: table }: Relation, name: string, whose: string): string {
  const near = columns.has(name.toUpperCase()) ? name.toUpperCase() : nearestName(name, columns.keys());
  return `${whose} names ${quoted(name)}, but ${quoted(table)} has no such column${near === undefined ? '' : `: did you mean ${quoted(near)}?`}`;
}
