import { SyncError } from '../../core/errors.ts';
import type { TableSelection, TableShape } from '../../core/ports/table-reader.ts';
import { unknownColumn } from '../tables/named-columns.ts';
import { nameOfTable, type Relation, readRelation } from './catalogue.ts';
import type { Column, ColumnKind } from './column-type.ts';
import { type SqlServerQuery, textOf } from './sqlserver-query.ts';
import { columnOf, quoted } from './table-statements.ts';
import { boundExpression } from './value-text.ts';

/** A part of a key, and whether its own collation tells the rows apart, so that its index can be used. */
export interface KeyColumn extends Column {
  readonly order: 'native' | 'bytes';
}

/** A table with what a configuration wants of it. */
export interface SqlServerTable {
  readonly relation: Relation;
  readonly key: readonly KeyColumn[];
  readonly columns: readonly Column[];
  readonly watermark: Column | null;
}

export interface Reader {
  readonly schema: string;
  readonly user: string;
}

export async function findTable(
  query: SqlServerQuery,
  selection: TableSelection,
  { schema, user }: Reader,
): Promise<SqlServerTable> {
  const names = nameOfTable(selection.table, schema);
  const relation = await readRelation(query, names);
  if (relation === undefined) {
    // What the user may not read is not in the catalogue: the server says which of the two it is.
    await query.run(`SELECT TOP (0) 1 FROM ${names.name}`);
    throw misfit(`the table ${names.name} does not exist`, names.name);
  }
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
    keyNames.map((name) => requireColumn(relation, name, 'the key')),
  );
  const unsortable = key.find(({ kind }) => kind === 'other' || kind.startsWith('long-'));
  if (unsortable !== undefined)
    throw misfit(`the key names ${quoted(unsortable.name)}, but a ${unsortable.declared} is no key`, relation.name);
  const watermark = selection.watermark === null ? null : requireColumn(relation, selection.watermark, '`watermark`');
  if (watermark !== null) checkWatermark(watermark, relation);
  const chosen = selection.columns?.map((name) => requireColumn(relation, name, '`columns`')) ?? [...relation.columns.values()];
  const wanted = new Set([...chosen, ...key, ...(watermark === null ? [] : [watermark])].map(({ name }) => name));
  const columns = [...relation.columns.values()].filter(({ name }) => wanted.has(name));
  checkRights(columns, relation, user);
  return { relation, key, watermark, columns };
}

function keyColumns(relation: Relation, key: readonly Column[]): KeyColumn[] {
  const isUnique = hasUniqueIndex(relation, key);
  return key.map((column) => ({ ...column, order: isText(column.kind) && !isUnique ? 'bytes' : 'native' }));
}

function hasUniqueIndex({ uniqueIndexes }: Relation, key: readonly Column[]): boolean {
  return uniqueIndexes.some((columns) => columns.every((column) => key.some(({ name }) => name === column)));
}

function isText(kind: ColumnKind): boolean {
  return kind === 'varying' || kind === 'fixed';
}

function checkRights(columns: readonly Column[], { name }: Relation, user: string): void {
  const hidden = columns.filter(({ readable }) => !readable).map((column) => quoted(column.name));
  if (hidden.length === 0) return;
  throw misfit(`the user ${user} may not read ${hidden.join(', ')} of ${name}: GRANT SELECT ON ${name} TO [${user}]`, name);
}

export function shapeOf({ relation, key, columns, watermark }: SqlServerTable): TableShape {
  return {
    name: relation.name,
    key: key.map(({ name }) => name),
    columns: columns.map(({ name, declared }) => ({ name, type: declared })),
    watermark: watermark?.name ?? null,
    order: key
      .map(({ name, declared, collation, order }) =>
        `${name} ${declared} ${order === 'bytes' ? order : (collation ?? '')}`.trimEnd(),
      )
      .join(', '),
  };
}

/** What rows are sorted by and compared in. */
export function ordered(column: KeyColumn): string {
  return byBytes(column, columnOf(column));
}

/** A bound in the same form. */
export function boundOf(column: KeyColumn, parameter: string, convert?: 'TRY_CONVERT'): string {
  return byBytes(column, boundExpression(column, parameter, convert));
}

/** Blanks behind a text count then, and so do capitals and accents. */
function byBytes({ order }: KeyColumn, expression: string): string {
  return order === 'bytes' ? `CONVERT(varbinary(8000), ${expression})` : expression;
}

/** Where no index promises it, the rows themselves are asked. */
export async function checkKey(query: SqlServerQuery, { relation, key }: SqlServerTable): Promise<void> {
  const list = key.map(({ name }) => quoted(name)).join(', ');
  const nullable = key.filter(({ notNull }) => !notNull).map(({ name }) => `${quoted(name)} IS NULL`);
  if (nullable.length > 0) {
    const [empty] = await query.run(`SELECT TOP (1) '1' FROM ${relation.name} WHERE ${nullable.join(' OR ')}`);
    if (empty !== undefined)
      throw misfit(`${relation.name} has rows without a key (${list}): choose columns that are always filled`, relation.name);
  }
  if (hasUniqueIndex(relation, key)) return;
  const parts = key.map((column, at) => `${ordered(column)} AS g${at}, CONVERT(nvarchar(100), ${columnOf(column)}) AS s${at}`);
  const groups = key.map((_column, at) => `k.g${at}`);
  const sample = key.map((_column, at) => `MIN(k.s${at})`).join(` + ', ' + `);
  const [twice] = await query.run(
    `SELECT TOP (1) ${sample} FROM (SELECT ${parts.join(', ')} FROM ${relation.name} AS t) AS k
     GROUP BY ${groups.join(', ')} HAVING COUNT(*) > 1`,
  );
  if (twice !== undefined) {
    throw misfit(
      `the key (${list}) does not tell the rows of ${relation.name} apart: ${textOf(twice[0])} stands in more than one`,
      relation.name,
    );
  }
}

const watermarkKinds: ReadonlySet<ColumnKind> = new Set([
  'number',
  'datetime',
  'datetime2',
  'smalldatetime',
  'date',
  'offset',
  'rowversion',
]);

function checkWatermark({ name, kind, declared }: Column, relation: Relation): void {
  if (watermarkKinds.has(kind)) return;
  throw misfit(
    `\`watermark\` names ${quoted(name)} of ${relation.name}, which is neither a time, a number nor a rowversion but ${declared}`,
    relation.name,
  );
}

/** Most databases do not tell capitals apart in names; where one does, the name itself comes first. */
export function requireColumn(relation: Relation, name: string, whose: string): Column {
  const lower = name.toLowerCase();
  const all = [...relation.columns.values()];
  const found = relation.columns.get(name) ?? all.find((column) => column.name.toLowerCase() === lower);
  if (found === undefined) throw misfit(unknownColumn(relation, name, whose, quoted), relation.name);
  return found;
}

function misfit(message: string, table: string): SyncError {
  return new SyncError('source.misconfigured', message, { details: { table } });
}
