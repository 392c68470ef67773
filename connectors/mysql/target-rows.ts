import { type JsonObject, parseExact } from '../../core/json.ts';
import { TargetRejected, type TargetRow } from '../../core/ports/target-connector.ts';
import { beyond } from '../tables/key-conditions.ts';
import { writtenColumns } from '../tables/named-columns.ts';
import { type Planned, type SavepointStep, savepointStatements, type TableKey, type TableRows } from '../tables/table-batch.ts';
import { boundTextOf } from './cell-text.ts';
import type { MysqlSession } from './mysql-session.ts';
import { rowWriter } from './row-writer.ts';
import { quoted } from './sql-literal.ts';
import { columnOf, keyPairs, ordered, selected, selectStatement } from './table-statements.ts';
import { deleteStatement, insertStatement, type KeyLiterals, lookupStatement, updateStatement } from './target-statements.ts';
import type { TargetTable } from './target-table.ts';

export interface MysqlKey extends TableKey {
  readonly literals: KeyLiterals;
}

/** How large a statement grows before the next one is begun, where the server does not want less. */
const statementBytesMax = 1_000_000;

/** The rows of a MySQL or MariaDB table, whose values go as literals. */
export class TargetRows implements TableRows<MysqlKey> {
  readonly #session: MysqlSession;
  readonly #table: TargetTable;

  constructor(session: MysqlSession, table: TargetTable) {
    this.#session = session;
    this.#table = table;
  }

  async under(keys: readonly MysqlKey[], lock: boolean): Promise<Map<number, TargetRow>> {
    const writer = rowWriter([...this.#table.relation.columns.values()]);
    const literals = keys.map((key) => key.literals);
    const rows = await this.#session.rows(lookupStatement(this.#table, literals, lock));
    return new Map(rows.map(([at, ...cells]) => [Number(at), parseExact(writer(cells)) as TargetRow]));
  }

  async behind(after: JsonObject | null, limit: number): Promise<{ rows: TargetRow[]; end: JsonObject | null }> {
    const { relation, key } = this.#table;
    const columns = [...relation.columns.values()];
    const writer = rowWriter(columns);
    const pairs = after === null ? undefined : keyPairs(key, after.after as string[]);
    const conditions = [
      ...key.filter(({ notNull }) => !notNull).map((column) => `${columnOf(column)} IS NOT NULL`),
      ...(pairs === undefined ? [] : [beyond(pairs, '>')]),
    ];
    const order = key.map(ordered);
    const statement = selectStatement({ table: relation.name, columns: columns.map(selected), conditions, order, limit });
    const found = await this.#session.rows(statement);
    const last = found.at(-1);
    const places = key.map(({ name }) => columns.findIndex((column) => column.name === name));
    return {
      rows: found.map((cells) => parseExact(writer(cells)) as TargetRow),
      end: last === undefined ? null : { after: places.map((place) => boundTextOf(columns[place]!.type, last[place]!)) },
    };
  }

  async insert(planned: readonly Planned<MysqlKey>[]): Promise<void> {
    const docs = planned.map(({ doc }) => doc);
    const columns = writtenColumns(this.#table.relation, docs, quoted);
    for (const part of this.#parts(docs)) await this.#send([insertStatement(this.#table, part, columns)]);
  }

  async update(planned: readonly Planned<MysqlKey>[]): Promise<void> {
    const statements = planned.map(({ doc, key }) => {
      const columns = writtenColumns(this.#table.relation, [doc], quoted);
      return updateStatement(this.#table, doc, columns, key.literals);
    });
    await this.#send(statements.filter((statement) => statement !== undefined));
  }

  async delete(keys: readonly MysqlKey[]): Promise<void> {
    await this.#send(keys.map(({ literals }) => deleteStatement(this.#table, literals)));
  }

  savepoint(step: SavepointStep): Promise<unknown> {
    return this.#session.run([savepointStatements[step]]);
  }

  /** Together, as far as the server takes them; each is a statement of its own, so one that is too large alone is at fault. */
  async #send(statements: readonly string[]): Promise<void> {
    const bytesMax = this.#session.facts.statementBytesMax - 1_024;
    let group: string[] = [];
    let bytes = 0;
    for (const statement of statements) {
      if (statement.length > bytesMax)
        throw new TargetRejected(`the record is larger than max_allowed_packet (${bytesMax} bytes) lets through`);
      if (bytes + statement.length > Math.min(bytesMax, statementBytesMax) && group.length > 0) {
        await this.#session.run(group);
        [group, bytes] = [[], 0];
      }
      group.push(statement);
      bytes += statement.length + 2;
    }
    if (group.length > 0) await this.#session.run(group);
  }

  /** As many rows for one INSERT as it should carry; their texts are written as two digits a byte. */
  *#parts(docs: readonly JsonObject[]): Generator<JsonObject[]> {
    let part: JsonObject[] = [];
    let bytes = 0;
    for (const doc of docs) {
      const size = JSON.stringify(doc).length * 2;
      if (part.length > 0 && bytes + size > Math.min(statementBytesMax, this.#session.facts.statementBytesMax / 2)) {
        yield part;
        [part, bytes] = [[], 0];
      }
      part.push(doc);
      bytes += size;
    }
    if (part.length > 0) yield part;
  }
}
