import type { JsonObject } from '../../core/json.ts';
import { same } from '../tables/key-conditions.ts';
import type { Column } from './column-type.ts';
import type { KeyColumn } from './mysql-table.ts';
import { quoted } from './sql-literal.ts';
import { alias, ordered, selected } from './table-statements.ts';
import type { TargetTable } from './target-table.ts';
import { valueLiteral } from './value-literal.ts';

/** The literals of a key's parts. */
export type KeyLiterals = readonly string[];

/** The rows under these keys, each behind the number of its key; the database alone says which row a key means. */
export function lookupStatement(table: TargetTable, keys: readonly KeyLiterals[], lock: boolean): string {
  const asked = keys.map((literals, at) => {
    const parts = literals.map((literal, part) => `${literal} AS k${part}`);
    return `SELECT ${at} AS n, ${parts.join(', ')}`;
  });
  const matches = table.key.map((column, part) => `${ordered(column)} = e.k${part}`);
  const columns = [...table.relation.columns.values()].map(selected);
  // Locked in the order of the key, so that two writers wait for each other instead of deadlocking.
  return `SELECT e.n, ${columns.join(', ')} FROM (${asked.join(' UNION ALL ')}) AS e STRAIGHT_JOIN ${table.relation.name} AS ${alias}
          ON ${matches.join(' AND ')}${lock ? ' FOR UPDATE' : ''}`;
}

/** What was not said, and null where the column takes none, is left to the column. */
export function insertStatement({ relation }: TargetTable, docs: readonly JsonObject[], columns: readonly Column[]): string {
  const rows = docs.map((doc) => {
    const values = columns.map((column) => {
      const value = doc[column.name];
      return value === undefined || (value === null && column.notNull) ? 'DEFAULT' : valueLiteral(column, value);
    });
    return `(${values.join(', ')})`;
  });
  return `INSERT INTO ${relation.name} (${columns.map(({ name }) => quoted(name)).join(', ')}) VALUES ${rows.join(', ')}`;
}

/** What was not said stays, and so does what the column does not take as null; undefined where nothing is left to say. */
export function updateStatement(
  table: TargetTable,
  doc: JsonObject,
  columns: readonly Column[],
  key: KeyLiterals,
): string | undefined {
  const isKey = new Set(table.key.map(({ name }) => name));
  const sets = columns
    .filter(({ name, notNull }) => !isKey.has(name) && !(notNull && doc[name] === null))
    .map((column) => `${quoted(column.name)} = ${valueLiteral(column, doc[column.name]!)}`);
  if (sets.length === 0) return undefined;
  return `UPDATE ${table.relation.name} AS ${alias} SET ${sets.join(', ')} WHERE ${under(table.key, key)}`;
}

export function deleteStatement(table: TargetTable, key: KeyLiterals): string {
  return `DELETE ${alias} FROM ${table.relation.name} AS ${alias} WHERE ${under(table.key, key)}`;
}

function under(key: readonly KeyColumn[], literals: KeyLiterals): string {
  return same(literals.map((bound, at) => ({ expression: ordered(key[at]!), bound })));
}
