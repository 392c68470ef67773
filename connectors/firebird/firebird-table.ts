import { SyncError } from '../../core/errors.ts';
import type { TableSelection, TableShape } from '../../core/ports/table-reader.ts';
import { unknownColumn } from '../tables/named-columns.ts';
import { quoted, type Relation, readRelation, sessionFacts } from './catalogue.ts';
import type { Column } from './column-type.ts';
import { asSourceError } from './firebird-fault.ts';
import type { FirebirdTransaction } from './firebird-session.ts';

/** A table with what a configuration wants of it. */
export interface FirebirdTable {
  readonly relation: Relation;
  readonly key: readonly Column[];
  readonly columns: readonly Column[];
  readonly watermark: Column | null;
}

/** What the selection means in this database. */
export async function findTable(transaction: FirebirdTransaction, selection: TableSelection): Promise<FirebirdTable> {
  const wished = selection.table.split('.').at(-1)!;
  const relation = await readRelation(transaction, wished);
  if (relation === undefined) {
    throw misfit(`the table or view ${quoted(wished)} does not exist in this database`, wished);
  }
  const named = (name: string, whose: string) => requireColumn(relation, name, whose);
  const key = (selection.key.length > 0 ? selection.key : relation.primaryKey).map((name) => named(name, 'the key'));
  if (key.length === 0) {
    const what = relation.isView ? 'view' : 'table';
    throw misfit(
      `the ${what} ${quoted(relation.name)} has no primary key: name in \`key\` the columns that tell its rows apart`,
      relation.name,
    );
  }
  const blob = key.find(({ type }) => type.kind === 'textBlob' || type.kind === 'bytesBlob');
  if (blob !== undefined)
    throw misfit(`the key names ${quoted(blob.name)}, a BLOB, which the database does not compare`, relation.name);
  const watermark = selection.watermark === null ? null : named(selection.watermark, '`watermark`');
  if (watermark !== null) checkWatermark(watermark, relation);
  const wanted = new Set(
    selection.columns === undefined
      ? relation.columns.keys()
      : [
          ...selection.columns.map((name) => named(name, '`columns`').name),
          ...key.map(({ name }) => name),
          ...(watermark ? [watermark.name] : []),
        ],
  );
  return { relation, key, watermark, columns: [...relation.columns.values()].filter(({ name }) => wanted.has(name)) };
}

export function shapeOf({ relation, key, columns, watermark }: FirebirdTable): TableShape {
  return {
    name: quoted(relation.name),
    key: key.map(({ name }) => name),
    columns: columns.map(({ name, declared }) => ({ name, type: declared })),
    watermark: watermark?.name ?? null,
    order: key.map(({ name, declared }) => `${name} ${declared}`).join(', '),
  };
}

/** One row, with all that is wanted of it, is refused as all would be. */
export async function checkPermission(transaction: FirebirdTransaction, { relation, columns }: FirebirdTable): Promise<void> {
  try {
    await transaction.rows(`SELECT FIRST 1 ${columns.map(({ name }) => quoted(name)).join(', ')} FROM ${quoted(relation.name)}`);
  } catch (error) {
    const { user } = await sessionFacts(transaction);
    throw asSourceError(error, quoted(relation.name), `; GRANT SELECT ON ${quoted(relation.name)} TO USER ${quoted(user)}`);
  }
}

/** Where no index promises it, the rows themselves are asked. */
export async function checkKey(transaction: FirebirdTransaction, { relation, key }: FirebirdTable): Promise<void> {
  const names = key.map(({ name }) => name);
  const nullable = key.filter(({ notNull }) => !notNull);
  const [table, list] = [quoted(relation.name), names.map(quoted).join(', ')];
  if (nullable.length > 0) {
    const empty = nullable.map(({ name }) => `${quoted(name)} IS NULL`).join(' OR ');
    const [row] = await transaction.rows(`SELECT FIRST 1 1 FROM ${table} WHERE ${empty}`);
    if (row !== undefined)
      throw misfit(`${table} has rows in which a part of the key (${names.join(', ')}) is NULL`, relation.name);
  }
  if (relation.uniqueKeys.some((unique) => unique.every((column) => names.includes(column)))) return;
  const [twice] = await transaction.rows(`SELECT FIRST 1 COUNT(*) FROM ${table} GROUP BY ${list} HAVING COUNT(*) > 1`);
  if (twice !== undefined) {
    throw misfit(
      `the key (${names.join(', ')}) does not tell the rows of ${table} apart: one value stands in ${twice[0]} of them`,
      relation.name,
    );
  }
}

function checkWatermark({ name, type }: Column, relation: Relation): void {
  const kinds: readonly string[] = ['timestamp', 'zonedTimestamp', 'date', 'number'];
  if (kinds.includes(type.kind)) return;
  throw misfit(
    `\`watermark\` names ${quoted(name)} of ${quoted(relation.name)}, which is neither a time nor a number but ${type.sql}`,
    relation.name,
  );
}

function requireColumn({ columns, name: table }: Relation, name: string, whose: string): Column {
  const column = columns.get(name) ?? columns.get(name.toUpperCase());
  if (column !== undefined) return column;
  throw misfit(unknownColumn({ name: quoted(table), columns }, name, whose, quoted), table);
}

function misfit(message: string, table: string): SyncError {
  return new SyncError('source.misconfigured', message, { details: { table } });
}
