import { nearestName } from '../../core/config/suggestion.ts';
import type { JsonObject } from '../../core/json.ts';
import { TargetRejected } from '../../core/ports/target-connector.ts';

/** A table as far as its columns are named; `columns` stand in the table's order. */
export interface NamedColumns<Column> {
  /** As messages call the table. */
  readonly name: string;
  readonly columns: ReadonlyMap<string, Column>;
}

export type Quote = (name: string) => string;

/** `whose` says who names it: `the key`. */
export function unknownColumn(table: NamedColumns<unknown>, column: string, whose: string, quoted: Quote): string {
  const near = nearestName(column, table.columns.keys());
  const hint = near === undefined ? '' : `: did you mean ${quoted(near)}?`;
  return `${whose} names ${quoted(column)}, but ${table.name} has no such column${hint}`;
}

/** The columns any of these rows speaks of, in the table's order, but for those the database alone fills. */
export function writtenColumns<Column extends { readonly name: string; readonly generated: boolean }>(
  table: NamedColumns<Column>,
  rows: readonly JsonObject[],
  quoted: Quote,
): Column[] {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  for (const column of names) {
    if (table.columns.has(column)) continue;
    throw new TargetRejected(unknownColumn(table, column, `the mapping rule \`fields.${column}\``, quoted), { column });
  }
  return [...table.columns.values()].filter(({ name, generated }) => names.has(name) && !generated);
}
