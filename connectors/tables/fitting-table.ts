import { SyncError } from '../../core/errors.ts';
import { type NamedColumns, type Quote, unknownColumn } from './named-columns.ts';
import type { TableDeclaration } from './table-declaration.ts';

export interface WritableTable<Column> extends NamedColumns<Column> {
  /** The columns of each index that keeps two rows from being the same there. */
  readonly uniqueKeys: readonly (readonly string[])[];
}

/** The columns of the key, where the table has what the configuration says of it; rejects with what to do otherwise. */
export function fittingKey<Column extends { readonly generated: boolean }>(
  table: WritableTable<Column>,
  { kind, key, columns }: TableDeclaration,
  quoted: Quote,
  createIndex = 'CREATE UNIQUE INDEX …',
): Column[] {
  const misfit = (message: string) => new SyncError('target.misconfigured', message, { details: { table: table.name, kind } });
  const required = (name: string, whose: string) => {
    const column = table.columns.get(name);
    if (column === undefined) throw misfit(unknownColumn(table, name, whose, quoted));
    if (column.generated)
      throw misfit(`${whose} names the column ${quoted(name)} of ${table.name}, which the database alone fills`);
    return column;
  };
  const keyColumns = key.map((name) => required(name, 'the key'));
  for (const name of columns ?? []) required(name, `the mapping rule \`fields.${name}\``);
  if (!table.uniqueKeys.some((unique) => isSameKey(unique, key))) {
    const list = key.map(quoted).join(', ');
    throw misfit(`no unique index stands over the key of ${table.name}: ${createIndex} ON ${table.name} (${list})`);
  }
  return keyColumns;
}

/** In whatever order. */
export function isSameKey(left: readonly string[], right: readonly string[]): boolean {
  return [...left].sort().join('\0') === [...right].sort().join('\0');
}
