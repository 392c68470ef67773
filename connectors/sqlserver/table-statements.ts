/** The table's name in every statement. */
export const alias = 't';

export function quoted(identifier: string): string {
  return `[${identifier.replaceAll(']', ']]')}]`;
}

export function columnOf({ name }: { readonly name: string }): string {
  return `${alias}.${quoted(name)}`;
}

/** What a row is sorted by, and a bound it is compared with. */
export interface Pair {
  readonly expression: string;
  readonly bound: string;
}

/** Behind a key of several columns, or before it; the first column stands apart, so that its index is entered. */
export function beyond(pairs: readonly Pair[], operator: '>' | '<'): string {
  const [first] = pairs;
  const strict = strictly(pairs, operator);
  return pairs.length === 1 ? strict : `${first!.expression} ${operator}= ${first!.bound} AND (${strict})`;
}

/** The bound itself, too. */
export function upTo(pairs: readonly Pair[]): string {
  const [first] = pairs;
  if (pairs.length === 1) return `${first!.expression} <= ${first!.bound}`;
  const equal = pairs.map(({ expression, bound }) => `${expression} = ${bound}`).join(' AND ');
  return `${first!.expression} <= ${first!.bound} AND (${strictly(pairs, '<')} OR (${equal}))`;
}

function strictly([{ expression, bound } = { expression: '', bound: '' }, ...rest]: readonly Pair[], operator: string): string {
  const here = `${expression} ${operator} ${bound}`;
  return rest.length === 0 ? here : `${here} OR (${expression} = ${bound} AND (${strictly(rest, operator)}))`;
}

export interface Selection {
  readonly table: string;
  readonly columns: readonly string[];
  readonly conditions: readonly string[];
  readonly order: readonly string[];
  readonly limit: number;
}

export function selectStatement({ table, columns, conditions, order, limit }: Selection): string {
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.map((condition) => `(${condition})`).join(' AND ')}`;
  return `SELECT TOP (${limit}) ${columns.join(', ')} FROM ${table} AS ${alias}${where} ORDER BY ${order.join(', ')}`;
}

/** Parameters of one statement, each under its name. */
export class Parameters {
  readonly texts: string[] = [];

  add(text: string): string {
    this.texts.push(text);
    return `@p${this.texts.length - 1}`;
  }
}
