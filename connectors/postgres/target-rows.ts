import type pg from 'pg';
import { fieldOf, type JsonObject, parseExact, stringifyExact } from '../../core/json.ts';
import type { TargetRow } from '../../core/ports/target-connector.ts';
import { writtenColumns } from '../tables/named-columns.ts';
import {
  type Planned,
  RowMoved,
  type SavepointStep,
  savepointStatements,
  type TableKey,
  type TableRows,
} from '../tables/table-batch.ts';
import { type Column, quoted, type TableShape } from './table-shape.ts';
import { deleteStatement, insertStatement, rangeStatement, selectStatement, updateStatement } from './table-statements.ts';

/** The rows of a PostgreSQL table, a batch in one statement. */
export class TargetRows implements TableRows<TableKey> {
  readonly #client: pg.ClientBase;
  readonly #shape: TableShape;

  constructor(client: pg.ClientBase, shape: TableShape) {
    this.#client = client;
    this.#shape = shape;
  }

  async under(keys: readonly TableKey[], lock: boolean): Promise<Map<number, TargetRow>> {
    const values = [jsonOf(keys.map(({ columns }) => columns))];
    const { rows } = await this.#client.query<{ at: number; row: string }>(selectStatement(this.#shape, lock), values);
    return new Map(rows.map(({ at, row }) => [at, parseExact(row) as TargetRow]));
  }

  async behind(after: JsonObject | null, limit: number): Promise<{ rows: TargetRow[]; end: JsonObject | null }> {
    const statement = rangeStatement(this.#shape, after === null);
    const answered = await this.#client.query<{ row: string }>(
      statement,
      after === null ? [limit] : [stringifyExact(after), limit],
    );
    const rows = answered.rows.map(({ row }) => parseExact(row) as TargetRow);
    const last = rows.at(-1);
    const end = last && Object.fromEntries(this.#shape.key.map((column) => [column, fieldOf(last, column)!]));
    return { rows, end: end ?? null };
  }

  async insert(planned: readonly Planned<TableKey>[]): Promise<void> {
    const inserted = await this.#run(insertStatement(this.#shape, this.#columnsOf(planned)), planned);
    if (inserted !== planned.length) throw new RowMoved(`${this.#shape.name} holds a row that could not be seen before`);
  }

  async update(planned: readonly Planned<TableKey>[]): Promise<void> {
    const statement = updateStatement(this.#shape, this.#columnsOf(planned));
    if (statement !== undefined) await this.#run(statement, planned);
  }

  async delete(keys: readonly TableKey[]): Promise<void> {
    await this.#client.query(deleteStatement(this.#shape), [jsonOf(keys.map(({ columns }) => columns))]);
  }

  savepoint(step: SavepointStep): Promise<unknown> {
    return this.#client.query(savepointStatements[step]);
  }

  async #run(statement: string, planned: readonly Planned<TableKey>[]): Promise<number> {
    const { rowCount } = await this.#client.query(statement, [jsonOf(planned.map(({ doc }) => doc))]);
    return rowCount ?? 0;
  }

  #columnsOf(planned: readonly Planned<TableKey>[]): Column[] {
    return writtenColumns(
      this.#shape,
      planned.map(({ doc }) => doc),
      quoted,
    );
  }
}

function jsonOf(rows: readonly JsonObject[]): string {
  return stringifyExact([...rows]);
}
