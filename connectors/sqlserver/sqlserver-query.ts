/** Texts and bytes alone: every other type is converted by the statement, so no client ever rounds a value. */
export type Cell = string | Buffer | null;

/**
 * Where statements of Transact-SQL go. Several may be under way at once, each on a connection of its own and in a
 * transaction of its own; a connection that broke is replaced at the next one.
 */
export interface SqlServerQuery {
  /** The database, as messages call it. */
  readonly name: string;
  /** The rows of the first result, as cells in the order of its columns. Parameters are texts: `@p0`, `@p1`. */
  run(statement: string, parameters?: readonly string[]): Promise<Cell[][]>;
  /** The opener calls it once, when nothing is under way. */
  close(): Promise<void>;
}

/** A cell of a statement that converts to text. */
export function textOf(cell: Cell | undefined): string | null {
  return typeof cell === 'string' ? cell : null;
}
