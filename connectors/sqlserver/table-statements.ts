/** The table's name in every statement. */
export const alias = 't';

export function quoted(identifier: string): string {
  return `[${identifier.replaceAll(']', ']]')}]`;
}

export function columnOf({ name }: { readonly name: string }): string {
  return `${alias}.${quoted(name)}`;
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
