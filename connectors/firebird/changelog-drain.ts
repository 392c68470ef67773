import { isSyncError, SyncError } from '../../core/errors.ts';
import { isJsonObject, parseExact } from '../../core/json.ts';
import { keyTextOf } from '../../core/key-text.ts';
import type { SourceChange } from '../../core/ports/source-connector.ts';
import { quoted } from './catalogue.ts';
import { logNamesOf, logTable, numbers, partAs, partName } from './changelog-schema.ts';
import type { FirebirdSession, FirebirdTransaction } from './firebird-session.ts';
import type { FirebirdTable } from './firebird-table.ts';
import { type RowWriter, rowWriter } from './row-reader.ts';
import { alias } from './table-statements.ts';

export interface DrainOptions {
  readonly kind: string;
  readonly table: FirebirdTable;
  readonly unspecified: string;
  nowMs(): number;
}

/**
 * One emptying of the log. A cursor over its numbers would lose changes: a number is drawn when a row is written, and a
 * transaction that began earlier may commit later. So the log is read in one transaction that sees one moment, and just what
 * that moment shows is deleted by the same transaction, when Kafka has it. Rows are read at that moment, too.
 */
export class ChangelogDrain {
  readonly #transaction: FirebirdTransaction;
  readonly #options: DrainOptions;
  readonly #row: RowWriter;
  readonly #key: RowWriter;
  readonly #statement: string;
  /** The highest number given out before this moment. */
  readonly #until: string;
  #last = '0';
  #isOver = false;

  private constructor(transaction: FirebirdTransaction, options: DrainOptions, until: string) {
    const { table, unspecified } = options;
    this.#transaction = transaction;
    this.#options = options;
    this.#until = until;
    this.#row = rowWriter(table.columns, unspecified);
    this.#key = rowWriter(table.key, unspecified, keyAlias);
    this.#statement = drainStatement(options, this.#row, this.#key);
  }

  static async begin(session: FirebirdSession, options: DrainOptions): Promise<ChangelogDrain> {
    const before = await session.begin('read');
    const [row] = await before.rows(`SELECT GEN_ID(${numbers}, 0) FROM RDB$DATABASE`);
    await before.commit();
    return new ChangelogDrain(await session.begin('drain'), options, String(row![0]));
  }

  /** How often something was not noted because the log was full. */
  async lost(): Promise<string> {
    const [row] = await this.#transaction.rows(`SELECT GEN_ID(${this.#names.lost}, 0) FROM RDB$DATABASE`);
    return String(row![0]);
  }

  async format(): Promise<number> {
    const [row] = await this.#transaction.rows('SELECT COALESCE(RDB$FORMAT, 0) FROM RDB$RELATIONS WHERE RDB$RELATION_NAME = ?', [
      this.#options.table.relation.name,
    ]);
    return Number(row?.[0] ?? -1);
  }

  /** The next changes, each key once with what stands under it; null where the moment holds no more. */
  async next(limit: number, order: string): Promise<SourceChange[] | null> {
    const answered = await this.#transaction.rows(this.#statement, [limit, this.#names.tag, this.#last]);
    if (answered.length === 0) return null;
    this.#last = String(answered.at(-1)![0]);
    const changes = new Map<string, SourceChange>();
    for (const cells of answered) {
      const [, ageMs, stands] = cells;
      const occurredAtMs = Math.max(0, this.#options.nowMs() - Number(ageMs));
      const change = await this.#changeOf(cells, Number(stands) === 1, { occurredAtMs, order });
      // Told once, at the place of the last.
      changes.delete(change.key);
      changes.set(change.key, change);
    }
    return [...changes.values()];
  }

  /** Kafka has it all. */
  async finish(): Promise<void> {
    const { tag, read } = this.#names;
    if (this.#last !== '0') {
      await this.#transaction.run(`DELETE FROM ${logTable} WHERE TAG = ? AND ID <= ?`, [tag, this.#last]);
    }
    await this.#transaction.rows(`SELECT GEN_ID(${read}, CAST(? AS BIGINT) - GEN_ID(${read}, 0)) FROM RDB$DATABASE`, [
      this.#until,
    ]);
    await this.#transaction.commit();
    this.#isOver = true;
  }

  /** Everything stays as it was, unless it is finished. */
  async leave(): Promise<void> {
    if (!this.#isOver) await this.#transaction.rollback();
    this.#isOver = true;
  }

  get #names() {
    return logNamesOf(this.#options.table.relation.name);
  }

  async #changeOf(
    cells: Awaited<ReturnType<FirebirdTransaction['rows']>>[number],
    stands: boolean,
    said: Pick<SourceChange, 'occurredAtMs' | 'order'>,
  ): Promise<SourceChange> {
    const { kind, table } = this.#options;
    const keyText = this.#key.text(await this.#key.values(cells, this.#transaction, 3));
    const names = table.key.map(({ name }) => name);
    try {
      if (!stands) {
        const key = keyTextOf(names, parseExact(keyText) as never);
        if (key === undefined)
          throw new SyncError('identity.key-missing', `a deleted row of ${quoted(table.relation.name)} had an empty key`);
        return { kind, key, operation: 'delete', data: null, ...said };
      }
      const data = parseExact(this.#row.text(await this.#row.values(cells, this.#transaction, 3 + names.length)));
      const key = isJsonObject(data) ? keyTextOf(names, data) : undefined;
      if (key === undefined || !isJsonObject(data)) {
        throw new SyncError('identity.key-missing', `a row of ${quoted(table.relation.name)} has an empty key`);
      }
      return { kind, key, operation: 'update', data, ...said };
    } catch (error) {
      if (!isSyncError(error)) throw error;
      return { kind, key: keyText, operation: 'update', data: null, fault: error, ...said };
    }
  }
}

const keyAlias = 'L';

/** Number, age, whether the row stands; then its key as it was noted, then the row. */
function drainStatement({ table }: DrainOptions, row: RowWriter, key: RowWriter): string {
  const parts = table.key.map(({ name, type }, at) => `${partAs(partName(at), type)} AS ${quoted(name)}`);
  const same = table.key.map(({ name }) => `${alias}.${quoted(name)} = ${keyAlias}.${quoted(name)}`).join(' AND ');
  const columns = [...key.codecs, ...row.codecs].flatMap(({ expressions }) => expressions);
  return `SELECT FIRST ? ${keyAlias}.SYNCLINE_ID, DATEDIFF(MILLISECOND FROM ${keyAlias}.SYNCLINE_AT TO CURRENT_TIMESTAMP),
            IIF(${alias}.${quoted(table.key[0]!.name)} IS NULL, 0, 1), ${columns.join(', ')}
          FROM (SELECT ID AS SYNCLINE_ID, NOTED_AT AS SYNCLINE_AT, ${parts.join(', ')} FROM ${logTable} WHERE TAG = ? AND ID > CAST(? AS BIGINT)) ${keyAlias}
          LEFT JOIN ${quoted(table.relation.name)} ${alias} ON ${same} ORDER BY 1`;
}
