import { canonicalText } from '../../core/canonical/canonical.ts';
import { type JsonObject, type JsonValue, parseExact } from '../../core/json.ts';
import { type TargetChange, TargetRejected, type TargetResult, type TargetRow } from '../../core/ports/target-connector.ts';
import { quoted } from './catalogue.ts';
import { castOf } from './cell-codec.ts';
import type { Column } from './column-type.ts';
import type { FirebirdTransaction, Parameter } from './firebird-session.ts';
import { type RowWriter, rowWriter } from './row-reader.ts';
import { alias, beyond, columnOf, selectStatement } from './table-statements.ts';
import { type TargetShape, unknownColumn } from './target-shape.ts';
import { writtenValue } from './written-value.ts';

/** A row stands where none stood when it was decided. */
export class RowAppeared extends Error {}

/** A write in hand: what is to stand under the key, and where its result belongs. */
interface Planned {
  readonly at: number;
  readonly keyColumns: JsonObject;
  readonly doc: JsonObject;
}

const keysAtOnce = 100;
const uniqueViolation: ReadonlySet<number> = new Set([335544665, 335544349]);

/** The changes of one kind in one transaction. */
export class TargetBatch {
  readonly #shape: TargetShape;
  readonly #transaction: FirebirdTransaction;
  readonly #unspecified: string;
  readonly #writer: RowWriter;

  constructor(shape: TargetShape, transaction: FirebirdTransaction, unspecified: string) {
    this.#shape = shape;
    this.#transaction = transaction;
    this.#unspecified = unspecified;
    this.#writer = rowWriter(shape.columns, unspecified);
  }

  async write(changes: readonly TargetChange[], keys: readonly JsonObject[]): Promise<TargetResult[]> {
    const found = await this.rowsAt(keys, true);
    const [stores, deletes, probes]: Planned[][] = [[], [], []];
    for (const [at, change] of changes.entries()) {
      const decision = change.decide(found.get(at) ?? null);
      const keyColumns = keys[at]!;
      if (decision.kind === 'delete') deletes!.push({ at, keyColumns, doc: keyColumns });
      if (decision.kind === 'write') stores!.push({ at, keyColumns, doc: { ...decision.row, ...keyColumns } });
      if (decision.kind === 'probe') probes!.push({ at, keyColumns, doc: { ...decision.row, ...keyColumns } });
    }
    for (const { keyColumns } of deletes!) await this.#delete(keyColumns);
    for (const planned of stores!) await this.#store(planned, found.has(planned.at));
    const returned = await this.#returned(stores!);
    const kept = await this.#keep(probes!, found);
    const written = new Set([...stores!, ...deletes!].map(({ at }) => at));
    return changes.map((_change, at): TargetResult => {
      const before = found.get(at) ?? null;
      if (kept.has(at)) return { kind: 'written', replaced: before, returned: before };
      return written.has(at)
        ? { kind: 'written', replaced: before, returned: returned.get(at) ?? null }
        : { kind: 'left', found: before };
    });
  }

  /** By the place of their keys in the list. */
  async rowsAt(keys: readonly JsonObject[], lock: boolean): Promise<Map<number, TargetRow>> {
    const { key, relation } = this.#shape;
    const found = new Map<number, TargetRow>();
    const same = `(${key.map((column) => `${columnOf(column)} = ${castOf(column.type)}`).join(' AND ')})`;
    const expressions = this.#writer.codecs.flatMap((codec) => codec.expressions).join(', ');
    for (let first = 0; first < keys.length; first += keysAtOnce) {
      const part = keys.slice(first, first + keysAtOnce);
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

  async behind(after: JsonObject | null, limit: number): Promise<string[]> {
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
    const texts: string[] = [];
    for (const cells of answered) texts.push(await this.#textOf(cells));
    return texts;
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

  async #store({ doc, keyColumns }: Planned, exists: boolean): Promise<void> {
    const columns = this.#columnsOf(doc);
    if (exists) return this.#update(columns, doc, keyColumns);
    // What it does not take as null gets the default it has.
    const said = columns.filter(({ name, notNull, preset }) => !(doc[name] === null && (notNull || preset === null)));
    const names = said.map(({ name }) => quoted(name)).join(', ');
    const statement = `INSERT INTO ${quoted(this.#shape.relation.name)} (${names}) VALUES (${said.map(({ type }) => castOf(type)).join(', ')})`;
    try {
      await this.#transaction.run(
        statement,
        said.map((column) => this.#parameter(column, doc[column.name]!)),
      );
    } catch (error) {
      if (!uniqueViolation.has((error as { gdscode?: number }).gdscode ?? 0)) throw error;
      throw new RowAppeared((error as Error).message, { cause: error });
    }
  }

  async #update(columns: readonly Column[], doc: JsonObject, keyColumns: JsonObject): Promise<void> {
    const names = new Set(this.#shape.key.map(({ name }) => name));
    const said = columns.filter(({ name, notNull }) => !names.has(name) && !(doc[name] === null && notNull));
    if (said.length === 0) return;
    const values = said.map(({ name, type }) => `${quoted(name)} = ${castOf(type)}`).join(', ');
    await this.#transaction.run(`UPDATE ${quoted(this.#shape.relation.name)} ${alias} SET ${values} WHERE ${this.#sameKey()}`, [
      ...said.map((column) => this.#parameter(column, doc[column.name]!)),
      ...this.#keyParameters(keyColumns),
    ]);
  }

  async #delete(keyColumns: JsonObject): Promise<void> {
    const statement = `DELETE FROM ${quoted(this.#shape.relation.name)} ${alias} WHERE ${this.#sameKey()}`;
    await this.#transaction.run(statement, this.#keyParameters(keyColumns));
  }

  /** Read again rather than returned by the statements: so it shows what triggers made of it afterwards, too. */
  async #returned(planned: readonly Planned[]): Promise<Map<number, TargetRow>> {
    const rows = await this.rowsAt(
      planned.map(({ keyColumns }) => keyColumns),
      false,
    );
    if (rows.size !== planned.length) throw new RowAppeared(`${this.#shape.name} does not keep a row under its key`);
    return new Map([...rows].map(([index, row]) => [planned[index]!.at, row]));
  }

  async #keep(probes: readonly Planned[], found: ReadonlyMap<number, TargetRow>): Promise<Set<number>> {
    const kept = new Set<number>();
    for (const probe of probes) {
      const before = found.get(probe.at);
      if (before === undefined) continue;
      await this.#transaction.run('SAVEPOINT PROBE');
      await this.#store(probe, true);
      const [after] = (await this.#returned([probe])).values();
      if (after !== undefined && canonicalText(after) === canonicalText(before)) kept.add(probe.at);
      else await this.#transaction.run('ROLLBACK TO SAVEPOINT PROBE');
      await this.#transaction.run('RELEASE SAVEPOINT PROBE');
    }
    return kept;
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

  /** The columns the row speaks of, in the table's order. */
  #columnsOf(doc: JsonObject): Column[] {
    const { relation, columns } = this.#shape;
    for (const name of Object.keys(doc)) {
      if (relation.columns.has(name)) continue;
      throw new TargetRejected(unknownColumn(relation, name, `the mapping rule \`fields.${name}\``), { column: name });
    }
    return columns.filter(({ name, generated }) => !generated && Object.hasOwn(doc, name));
  }
}
