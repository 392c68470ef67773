import { quoted } from './catalogue.ts';
import type { CellCodec } from './cell-codec.ts';
import { castOf } from './cell-codec.ts';
import type { Column } from './column-type.ts';

/** The table's name in every statement. */
export const alias = 'T';

export interface Comparison {
  readonly sql: string;
  /** Which of the bound's parts stand for its question marks. */
  readonly parts: readonly number[];
}

/**
 * Behind a key of several columns, or up to it. Firebird compares no tuples; the first column stands alone in front,
 * because that is what an index is entered by.
 */
export function beyond(key: readonly Column[], operator: '>' | '<'): Comparison {
  const [first] = key;
  if (key.length === 1) return { sql: `${columnOf(first!)} ${operator} ${castOf(first!.type)}`, parts: [0] };
  const { sql, parts } = strictly(key, 0, operator);
  return { sql: `${columnOf(first!)} ${operator}= ${castOf(first!.type)} AND (${sql})`, parts: [0, ...parts] };
}

/** The bound itself, too. */
export function upTo(key: readonly Column[]): Comparison {
  const strict = beyond(key, '<');
  if (key.length === 1) return { sql: strict.sql.replace(' < ', ' <= '), parts: strict.parts };
  const equal = key.map((column) => `${columnOf(column)} = ${castOf(column.type)}`).join(' AND ');
  const [first] = key;
  const inner = strictly(key, 0, '<');
  return {
    sql: `${columnOf(first!)} <= ${castOf(first!.type)} AND (${inner.sql} OR (${equal}))`,
    parts: [0, ...inner.parts, ...key.map((_column, at) => at)],
  };
}

function strictly(key: readonly Column[], at: number, operator: '>' | '<'): Comparison {
  const column = key[at]!;
  const here = `${columnOf(column)} ${operator} ${castOf(column.type)}`;
  if (at === key.length - 1) return { sql: here, parts: [at] };
  const rest = strictly(key, at + 1, operator);
  return { sql: `${here} OR (${columnOf(column)} = ${castOf(column.type)} AND (${rest.sql}))`, parts: [at, at, ...rest.parts] };
}

export function selectStatement(
  relation: string,
  codecs: readonly CellCodec[],
  conditions: readonly string[],
  order: readonly Column[],
): string {
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.map((condition) => `(${condition})`).join(' AND ')}`;
  return `SELECT FIRST ? ${codecs.flatMap(({ expressions }) => expressions).join(', ')}
          FROM ${quoted(relation)} ${alias}${where} ORDER BY ${order.map(columnOf).join(', ')}`;
}

export function columnOf({ name }: Column): string {
  return `${alias}.${quoted(name)}`;
}
