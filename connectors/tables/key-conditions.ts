/** What a row is sorted by, and a bound it is compared with, both as SQL. */
export interface Pair {
  readonly expression: string;
  readonly bound: string;
}

/**
 * Behind a key of several columns, or before it: spelled out where a database compares no tuples, or not by their index. The
 * first column stands apart, so that its index is entered.
 */
export function beyond(pairs: readonly Pair[], operator: '>' | '<'): string {
  const [first] = pairs;
  const strict = strictly(pairs, operator);
  return pairs.length === 1 ? strict : `${first!.expression} ${operator}= ${first!.bound} AND (${strict})`;
}

/** The bound itself, too. */
export function upTo(pairs: readonly Pair[]): string {
  const [first] = pairs;
  if (pairs.length === 1) return `${first!.expression} <= ${first!.bound}`;
  return `${first!.expression} <= ${first!.bound} AND (${strictly(pairs, '<')} OR (${same(pairs)}))`;
}

export function same(pairs: readonly Pair[]): string {
  return pairs.map(({ expression, bound }) => `${expression} = ${bound}`).join(' AND ');
}

function strictly([{ expression, bound } = { expression: '', bound: '' }, ...rest]: readonly Pair[], operator: string): string {
  const here = `${expression} ${operator} ${bound}`;
  return rest.length === 0 ? here : `${here} OR (${expression} = ${bound} AND (${strictly(rest, operator)}))`;
}
