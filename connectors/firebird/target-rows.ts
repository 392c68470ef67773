import { fieldOf, type JsonObject, type JsonValue, parseExact } from '../../core/json.ts';
import { TargetRejected, type TargetRow } from '../../core/ports/target-connector.ts';
import { writtenColumns } from '../tables/named-columns.ts';
import {
  type Planned,
  RowMoved,
  type SavepointStep,
  savepointStatements,
  type TableKey,
  type TableRows,
} from '../tables/table-batch.ts';
import { quoted } from './catalogue.ts';
import { castOf } from './cell-codec.ts';
import type { Column } from './column-type.ts';
import type { FirebirdTransaction, Parameter } from './firebird-session.ts';
import { type RowWriter, rowWriter } from './row-reader.ts';
import { alias, beyond, columnOf, selectStatement } from './table-statements.ts';
import type { TargetShape } from './target-shape.ts';
import { writtenValue } from './written-value.ts';

const keysAtOnce = 100;
const uniqueViolation: ReadonlySet<number> = new Set([335544665, 335544349]);

/** The rows of a Firebird table, which takes one row a statement. */
export class TargetRows implements TableRows<TableKey> {
  readonly #transaction: FirebirdTransaction;
  readonly #shape: TargetShape;
  readonly #unspecified: string;
  readonly #writer: RowWriter;

  constructor(transaction: FirebirdTransaction, shape: TargetShape, unspecified: string) {
    this.#transaction = transaction;
    this.#shape = shape;
    this.#unspecified = unspecified;
    this.#writer = rowWriter([...shape.columns.values()], unspecified);
  }

  async under(keys: readonly TableKey[], lock: boolean): Promise<Map<number, TargetRow>> {
    const { key, relation } = this.#shape;
    const found = new Map<number, TargetRow>();
    const same = `(${key.map((column) => `${columnOf(column)} = ${castOf(column.type)}`).join(' AND ')})`;
    const expressions = this.#writer.codecs.flatMap((codec) => codec.expressions).join(', ');
    for (let first = 0; first < keys.length; first += keysAtOnce) {
      const part = keys.slice(first, first + keysAtOnce).map(({ columns }) => columns);
      const places = this.#placesOf(part);
      const statement = `SELECT ${expressions} FROM ${quoted(relation.name)} ${alias} WHERE ${part.map(() => same).join(' OR ')}`;
      const parameters = part.flatMap((columns) => this.#keyParameters(columns));
      for (const cells of await this.#transaction.rows(lock ? `${statement} WITH LOCK` : statement, parameters)) {
        const row = parseExact(await this.#textOf(cells)) as TargetRow;
        const at = places.get(this.#placeOf(row)) ?? (part.length === 1 ? 0 : undefined);
        if (at === undefined)
          throw new TargetRejected(`${this.#shape.name} holds a key otherwise than it was asked for: ${this.#placeOf(row)}`);
        found.set(first + at, row);
      }
    }
    return found;
  }

  async behind(after: JsonObject | null, limit: number): Promise<{ rows: TargetRow[]; end: JsonObject | null }> {
    const { key, relation } = this.#shape;
    const conditions = key.filter(({ notNull }) => !notNull).map((column) => `${columnOf(column)} IS NOT NULL`);
    const parameters: Parameter[] = [limit];
    if (after !== null) {
      const { sql, parts } = beyond(key, '>');
      conditions.push(sql);
      parameters.push(...parts.map((part) => this.#parameter(key[part]!, after[key[part]!.name] ?? null)));
    }
    const answered = await this.#transaction.rows(
      selectStatement(relation.name, this.#writer.codecs, conditions, key),
      parameters,
    );
    const rows: TargetRow[] = [];
    for (const cells of answered) rows.push(parseExact(await this.#textOf(cells)) as TargetRow);
    const last = rows.at(-1);
    const end = last && Object.fromEntries(key.map(({ name }) => [name, fieldOf(last, name)!]));
    return { rows, end: end ?? null };
  }

  async insert(planned: readonly Planned<TableKey>[]): Promise<void> {
    for (const { doc } of planned) await this.#insert(doc);
  }

  async update(planned: readonly Planned<TableKey>[]): Promise<void> {
    for (const { doc, key } of planned) await this.#update(doc, key.columns);
  }

  async delete(keys: readonly TableKey[]): Promise<void> {
    const statement = `DELETE FROM ${quoted(this.#shape.relation.name)} ${alias} WHERE ${this.#sameKey()}`;
    for (const { columns } of keys) await this.#transaction.run(statement, this.#keyParameters(columns));
  }

  savepoint(step: SavepointStep): Promise<unknown> {
    return this.#transaction.run(savepointStatements[step]);
  }

  async #textOf(cells: Awaited<ReturnType<FirebirdTransaction['rows']>>[number]): Promise<string> {
    return this.#writer.text(await this.#writer.values(cells, this.#transaction));
  }

  /** Keys come as texts and go as the columns' own types: `7` is 7, and CHAR is told without its padding. */
  #placesOf(keys: readonly JsonObject[]): Map<string, number> {
    return new Map(keys.map((columns, at) => [this.#placeOf(columns), at]));
  }

  #placeOf(row: JsonObject): string {
    return JSON.stringify(this.#shape.key.map(({ name }) => String(row[name])));
  }

  async #insert(doc: JsonObject): Promise<void> {
    // What it does not take as null gets the default it has.
    const said = writtenColumns(this.#shape, [doc], quoted).filter(
      ({ name, notNull, preset }) => !(doc[name] === null && (notNull || preset === null)),
    );
    const names = said.map(({ name }) => quoted(name)).join(', ');
    const statement = `INSERT INTO ${quoted(this.#shape.relation.name)} (${names}) VALUES (${said.map(({ type }) => castOf(type)).join(', ')})`;
    try {
      await this.#transaction.run(
        statement,
        said.map((column) => this.#parameter(column, doc[column.name]!)),
      );
    } catch (error) {
      if (!uniqueViolation.has((error as { gdscode?: number }).gdscode ?? 0)) throw error;
      throw new RowMoved((error as Error).message, { cause: error });
    }
  }

  async #update(doc: JsonObject, keyColumns: JsonObject): Promise<void> {
    const names = new Set(this.#shape.key.map(({ name }) => name));
    const columns = writtenColumns(this.#shape, [doc], quoted);
    const said = columns.filter(({ name, notNull }) => !names.has(name) && !(doc[name] === null && notNull));
    if (said.length === 0) return;
    const values = said.map(({ name, type }) => `${quoted(name)} = ${castOf(type)}`).join(', ');
    await this.#transaction.run(`UPDATE ${quoted(this.#shape.relation.name)} ${alias} SET ${values} WHERE ${this.#sameKey()}`, [
      ...said.map((column) => this.#parameter(column, doc[column.name]!)),
      ...this.#keyParameters(keyColumns),
    ]);
  }

  #sameKey(): string {
    return this.#shape.key.map((column) => `${columnOf(column)} = ${castOf(column.type)}`).join(' AND ');
  }

  #keyParameters(columns: JsonObject): Parameter[] {
    return this.#shape.key.map((column) => this.#parameter(column, columns[column.name]!));
  }

  #parameter({ name, type }: Column, value: JsonValue): Parameter {
    try {
      return writtenValue(type, value, this.#unspecified);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new TargetRejected(`${quoted(name)}: ${error.message}`, { column: name }, error);
    }
  }
}
