import { SyncError } from '../../core/errors.ts';
import { fittingKey } from '../tables/fitting-table.ts';
import type { TableDeclaration } from '../tables/table-declaration.ts';
import { literal, quoted, type Relation, readRelation, type SessionFacts, sessionFacts } from './catalogue.ts';
import type { Column } from './column-type.ts';
import type { FirebirdTransaction } from './firebird-session.ts';

export interface TargetShape {
  readonly kind: string;
  readonly relation: Relation;
  /** Quoted, as messages call it. */
  readonly name: string;
  readonly key: readonly Column[];
  readonly columns: ReadonlyMap<string, Column>;
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
  const { columns, uniqueKeys } = relation;
  // Names are as the database keeps them: what was not quoted when the table was made is in capitals.
  const key = fittingKey({ name, columns, uniqueKeys }, declaration, quoted);
  return { kind: declaration.kind, relation, name, key, columns };
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
