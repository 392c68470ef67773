import { isSyncError } from '../../core/errors.ts';
import { type JsonObject, parseExact } from '../../core/json.ts';
import { keyColumnsOf, keyTextOf } from '../../core/key-text.ts';
import type { SystemRange, SystemReader, SystemRow } from '../../core/ports/system-reader.ts';
import {
  type TargetChange,
  type TargetConnector,
  TargetRejected,
  type TargetResult,
  type TargetRow,
} from '../../core/ports/target-connector.ts';
import { boundTextOf } from './cell-text.ts';
import { asTargetError, duplicateIndexOf, faultOf } from './mysql-fault.ts';
import { nameOf } from './mysql-place.ts';
import type { MysqlPool } from './mysql-pool.ts';
import type { MysqlSession } from './mysql-session.ts';
import { rowWriter } from './row-writer.ts';
import { beyond, columnOf, keyLiterals, ordered, selected, selectStatement } from './table-statements.ts';
import { type BatchKey, RowMoved, TargetBatch } from './target-batch.ts';
import { findTargetTable, type TableDeclaration, type TargetTable } from './target-table.ts';

const repeatsMax = 5;

/** Tables of a MySQL or MariaDB database as a target, which can be read back. */
export class MysqlTarget implements TargetConnector, SystemReader {
  readonly #pool: MysqlPool;
  readonly #declared: readonly TableDeclaration[];
  #tables: ReadonlyMap<string, TargetTable> = new Map();

  constructor(pool: MysqlPool, tables: readonly TableDeclaration[]) {
    this.#pool = pool;
    this.#declared = tables;
  }

  async open(): Promise<void> {
    const { place } = this.#pool;
    try {
      this.#tables = await this.#pool.use(async (session) => {
        const tables = new Map<string, TargetTable>();
        for (const table of this.#declared) tables.set(table.kind, await findTargetTable(session, table, place.database));
        return tables;
      });
    } catch (error) {
      throw asTargetError(error, nameOf(place));
    }
  }

  keyOf(kind: string, row: TargetRow): string | undefined {
    const table = this.#declared.find((declared) => declared.kind === kind);
    return table === undefined ? undefined : keyTextOf(table.key, row);
  }

  async write(kind: string, changes: readonly TargetChange[]): Promise<readonly TargetResult[]> {
    const table = this.#tableOf(kind);
    const keys = changes.map(({ key }) => keyOrRejected(table, key));
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#pool.transact('write', (session) => new TargetBatch(session, table).write(changes, keys));
      } catch (error) {
        const moved = error instanceof RowMoved || duplicateIndexOf(error) === table.keyIndex;
        if ((moved || faultOf(error) === 'repeat') && attempt < repeatsMax) continue;
        if (error instanceof RowMoved) throw new TargetRejected(`${table.relation.name} does not keep a row under its key`);
        throw asTargetError(error, table.relation.name);
      }
    }
  }

  async readRange(kind: string, after: JsonObject | null, limit: number): Promise<SystemRange> {
    const table = this.#tableOf(kind);
    const { relation, key } = table;
    const columns = [...relation.columns.values()];
    const writer = rowWriter(columns);
    const bound = after === null ? undefined : keyLiterals(key, after.after as string[]);
    const pairs = key.map((column, at) => ({ expression: ordered(column), literal: bound?.[at] ?? '' }));
    const conditions = [
      ...key.filter(({ notNull }) => !notNull).map((column) => `${columnOf(column)} IS NOT NULL`),
      ...(bound === undefined ? [] : [beyond(pairs, '>')]),
    ];
    const order = key.map(ordered);
    const statement = selectStatement({ table: relation.name, columns: columns.map(selected), conditions, order, limit });
    const found = await this.#reading(table, (session) => session.rows(statement));
    const last = found.at(-1);
    const places = key.map(({ name }) => columns.findIndex((column) => column.name === name));
    return {
      rows: found.flatMap((cells) => this.#keyed(kind, parseExact(writer(cells)) as TargetRow)),
      next:
        last === undefined || found.length < limit
          ? null
          : { after: places.map((place) => boundTextOf(columns[place]!.type, last[place]!)) },
    };
  }

  async readKeys(kind: string, keys: readonly string[]): Promise<readonly SystemRow[]> {
    const table = this.#tableOf(kind);
    const known = keys.flatMap((key) => {
      const literals = literalsOf(table, key)?.literals;
      return literals === undefined ? [] : [{ key, literals }];
    });
    const literals = known.map((asked) => asked.literals);
    const rows = await this.#reading(table, (session) => new TargetBatch(session, table).rowsAt(literals, false));
    return [...rows].map(([at, row]) => ({ key: known[at]!.key, row }));
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #keyed(kind: string, row: TargetRow): SystemRow[] {
    const key = this.keyOf(kind, row);
    return key === undefined ? [] : [{ key, row }];
  }

  async #reading<T>({ relation }: TargetTable, work: (session: MysqlSession) => Promise<T>): Promise<T> {
    try {
      return await this.#pool.use(work);
    } catch (error) {
      throw isSyncError(error) ? error : asTargetError(error, relation.name);
    }
  }

  #tableOf(kind: string): TargetTable {
    const table = this.#tables.get(kind);
    if (table === undefined) throw new Error(`the target was not opened for ${kind}`);
    return table;
  }
}

/** Undefined where no row can have this key. */
function literalsOf({ key }: TargetTable, text: string): BatchKey | undefined {
  const columns = keyColumnsOf(
    key.map(({ name }) => name),
    text,
  );
  if (columns === undefined) return undefined;
  const literals = keyLiterals(
    key,
    key.map(({ name }) => String(columns[name])),
  );
  return literals === undefined ? undefined : { literals, columns };
}

function keyOrRejected(table: TargetTable, key: string): BatchKey {
  const found = literalsOf(table, key);
  if (found !== undefined) return found;
  const wanted = table.key.map(({ name, declared }) => `${name} ${declared}`).join(', ');
  throw new TargetRejected(`${key} is no key of ${table.relation.name} (${wanted})`);
}
