import { SyncError } from '../../core/errors.ts';
import type { TableSelection, TableShape } from '../../core/ports/table-reader.ts';
import { unknownColumn } from '../tables/named-columns.ts';
import { nameOfTable, type Relation, readRelation } from './catalogue.ts';
import type { Column } from './column-type.ts';
import { asSourceError } from './mysql-fault.ts';
import type { MysqlSession } from './mysql-session.ts';
import { quoted } from './sql-literal.ts';

/** A part of a key, and whether its own collation tells the rows apart, so that its index can be used. */
export interface KeyColumn extends Column {
  readonly order: 'native' | 'bytes';
}

/** A table with what a configuration wants of it. */
export interface MysqlTable {
  readonly relation: Relation;
  readonly key: readonly KeyColumn[];
  readonly columns: readonly Column[];
  readonly watermark: Column | null;
}

export async function findTable(session: MysqlSession, selection: TableSelection, database: string): Promise<MysqlTable> {
  const names = nameOfTable(selection.table, database);
  await checkRight(session, names.name);
  const relation = await readRelation(session, names);
  if (relation === undefined) throw misfit(`the table ${names.name} does not exist`, names.name);
  const named = (name: string, whose: string) => requireColumn(relation, name, whose);
  const keyNames = selection.key.length > 0 ? selection.key : relation.primaryKey;
  if (keyNames.length === 0) {
    const what = relation.isView ? 'view' : 'table';
    throw misfit(
      `the ${what} ${relation.name} has no primary key: name the columns that tell its rows apart under \`key\``,
      relation.name,
    );
  }
  const key = keyColumns(
    relation,
    keyNames.map((name) => named(name, 'the key')),
  );
  const unsortable = key.find(({ type }) => type.kind === 'json' || ('isLong' in type && type.isLong));
  if (unsortable !== undefined)
    throw misfit(`the key names ${quoted(unsortable.name)}, but a ${unsortable.declared} is no key`, relation.name);
  const watermark = selection.watermark === null ? null : named(selection.watermark, '`watermark`');
  if (watermark !== null) checkWatermark(watermark, relation);
  for (const name of selection.columns ?? []) named(name, '`columns`');
  const wanted = new Set([...(selection.columns ?? relation.columns.keys()), ...keyNames, watermark?.name ?? keyNames[0]!]);
  const columns = [...relation.columns.values()].filter(({ name }) => wanted.has(name));
  const hidden = columns.filter(({ readable }) => !readable).map(({ name }) => quoted(name));
  if (hidden.length > 0) {
    throw misfit(
      `the user ${session.facts.user} may not read ${hidden.join(', ')} of ${relation.name}: GRANT SELECT ON ${relation.name} TO ${userOf(session)}`,
      relation.name,
    );
  }
  return { relation, key, watermark, columns };
}

export function keyColumns(relation: Relation, key: readonly Column[]): KeyColumn[] {
  const isUnique = relation.uniqueIndexes.some(({ columns }) =>
    columns.every((column) => key.some(({ name }) => name === column)),
  );
  return key.map((column) => ({ ...column, order: isByBytes(column, isUnique) ? 'bytes' : 'native' }));
}

/** The words of an ENUM are sorted by their number but compared as texts. */
function isByBytes({ type }: Column, isUnique: boolean): boolean {
  return type.kind === 'choice' || type.kind === 'choices' || (type.kind === 'text' && !isUnique);
}

export function shapeOf({ relation, key, columns, watermark }: MysqlTable): TableShape {
  return {
    name: relation.name,
    key: key.map(({ name }) => name),
    columns: columns.map(({ name, declared }) => ({ name, type: declared })),
    watermark: watermark?.name ?? null,
    order: key.map(orderText).join(', '),
  };
}

function orderText({ name, declared, type, order }: KeyColumn): string {
  return `${name} ${declared} ${type.kind === 'text' && order === 'native' ? type.collation : order}`;
}

/** Asks for nothing, which the database refuses as it would refuse the rows. */
async function checkRight(session: MysqlSession, name: string): Promise<void> {
  try {
    await session.rows(`SELECT 1 FROM ${name} LIMIT 0`);
  } catch (error) {
    throw asSourceError(error, name);
  }
}

/** Where no index promises it, the rows themselves are asked. */
export async function checkKey(session: MysqlSession, { relation, key }: MysqlTable): Promise<void> {
  const list = key.map(({ name }) => quoted(name)).join(', ');
  const nullable = key.filter(({ notNull }) => !notNull).map(({ name }) => `${quoted(name)} IS NULL`);
  if (nullable.length > 0) {
    const [empty] = await session.rows(`SELECT 1 FROM ${relation.name} WHERE ${nullable.join(' OR ')} LIMIT 1`);
    if (empty !== undefined)
      throw misfit(`${relation.name} has rows without a key (${list}): choose columns that are always filled`, relation.name);
  }
  const names = key.map(({ name }) => name);
  if (relation.uniqueIndexes.some(({ columns }) => columns.every((column) => names.includes(column)))) return;
  const groups = key.map(({ name, type }) => (type.kind === 'text' ? `CAST(${quoted(name)} AS BINARY)` : quoted(name)));
  const [twice] = await session.rows(
    `SELECT CONCAT_WS(', ', ${groups.join(', ')}) FROM ${relation.name} GROUP BY ${groups.join(', ')} HAVING COUNT(*) > 1 LIMIT 1`,
  );
  if (twice !== undefined) {
    throw misfit(
      `the key (${list}) does not tell the rows of ${relation.name} apart: ${twice[0]?.toString('utf8')} stands in more than one`,
      relation.name,
    );
  }
}

const watermarkKinds: ReadonlySet<string> = new Set(['number', 'date', 'datetime', 'timestamp']);

function checkWatermark({ name, type, declared }: Column, relation: Relation): void {
  if (watermarkKinds.has(type.kind)) return;
  throw misfit(
    `\`watermark\` names ${quoted(name)} of ${relation.name}, which is neither a time nor a number but ${declared}`,
    relation.name,
  );
}

function requireColumn(relation: Relation, name: string, whose: string): Column {
  const column = relation.columns.get(name);
  if (column !== undefined) return column;
  throw new SyncError('source.misconfigured', unknownColumn(relation, name, whose, quoted), {
    details: { table: relation.name, column: name },
  });
}

/** As a GRANT takes it: 'shop'@'10.0.0.1'. */
export function userOf(session: MysqlSession): string {
  const { user } = session.facts;
  const at = user.lastIndexOf('@');
  return `'${user.slice(0, at)}'@'${user.slice(at + 1)}'`;
}

function misfit(message: string, table: string): SyncError {
  return new SyncError('source.misconfigured', message, { details: { table } });
}
