import type { Pair } from '../tables/key-conditions.ts';
import type { Column } from './column-type.ts';
import type { KeyColumn } from './mysql-table.ts';
import { binaryOf, boundLiteral, quoted } from './sql-literal.ts';

/** The table's name in every statement. */
export const alias = 't';

export function columnOf({ name }: Pick<Column, 'name'>): string {
  return `${alias}.${quoted(name)}`;
}

/** What stands in the SELECT for it. */
export function selected(column: Column): string {
  switch (column.type.kind) {
    case 'single':
      // A FLOAT is printed with six digits, a DOUBLE with all.
      return `(${columnOf(column)} + 0e0)`;
    case 'bits':
      return `CAST(${columnOf(column)} AS UNSIGNED)`;
    default:
      return columnOf(column);
  }
}

/** What the rows are sorted by and compared in. */
export function ordered(column: KeyColumn): string {
  if (column.order === 'native') return columnOf(column);
  return binaryOf(column.type.kind === 'text' ? columnOf(column) : `CONVERT(${columnOf(column)} USING utf8mb4)`);
}

/** Undefined where no row can have this key. */
export function keyLiterals(key: readonly KeyColumn[], bound: readonly string[]): string[] | undefined {
  const literals = key.map((column, at) => keyLiteral(column, bound[at]!));
  return literals.every((literal) => literal !== undefined) ? literals : undefined;
}

/** The same with what each is compared with. */
export function keyPairs(key: readonly KeyColumn[], bound: readonly string[]): Pair[] | undefined {
  return keyLiterals(key, bound)?.map((literal, at) => ({ expression: ordered(key[at]!), bound: literal }));
}

function keyLiteral({ type, order }: KeyColumn, text: string): string | undefined {
  const literal = boundLiteral(type, text);
  return literal !== undefined && order === 'bytes' && type.kind === 'text' ? binaryOf(literal) : literal;
}

export interface Selection {
  readonly table: string;
  readonly columns: readonly string[];
  readonly conditions: readonly string[];
  readonly order: readonly string[];
  readonly limit: number;
}

export function selectStatement({ table, columns, conditions, order, limit }: Selection): string {
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.map((condition) => `(${condition})`).join(' AND ')}`;
  return `SELECT ${columns.join(', ')} FROM ${table} AS ${alias} ${where} ORDER BY ${order.join(', ')} LIMIT ${limit}`;
}
