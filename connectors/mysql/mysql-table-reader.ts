import { SyncError } from '../../core/errors.ts';
import type {
  KeyBound,
  KeyRange,
  TableReader,
  TableRow,
  TableSelection,
  TableShape,
  WatermarkBound,
} from '../../core/ports/table-reader.ts';
import { DescribedTables } from '../tables/described-tables.ts';
import { beyond, type Pair, same, upTo } from '../tables/key-conditions.ts';
import { textOf } from './catalogue.ts';
import { boundTextOf } from './cell-text.ts';
import { asSourceError } from './mysql-fault.ts';
import type { MysqlPool } from './mysql-pool.ts';
import type { MysqlSession } from './mysql-session.ts';
import { checkKey, findTable, type MysqlTable, shapeOf } from './mysql-table.ts';
import { rowWriter } from './row-writer.ts';
import { boundLiteral, quoted } from './sql-literal.ts';
import { columnOf, keyPairs, ordered, selected, selectStatement } from './table-statements.ts';

/** Tables and views of a MySQL or MariaDB database, read page by page; a page is one statement and sees one moment. */
export class MysqlTableReader implements TableReader {
  readonly #pool: MysqlPool;
  readonly #tables = new DescribedTables<MysqlTable>();

  constructor(pool: MysqlPool) {
    this.#pool = pool;
  }

  describe(selection: TableSelection): Promise<TableShape> {
    const { database } = this.#pool.place;
    return this.#reading(`${quoted(database)}.*`, async (session) => {
      const table = await findTable(session, selection, database);
      return this.#tables.add(shapeOf(table), table, () => checkKey(session, table));
    });
  }

  rows(shape: TableShape, { after, upTo: last }: KeyRange, limit: number, columns: 'all' | 'key'): Promise<readonly TableRow[]> {
    const table = this.#tables.of(shape);
    const conditions = [
      ...(after === null ? [] : [beyond(pairsOf(table, after), '>')]),
      ...(last === null ? [] : [upTo(pairsOf(table, last))]),
    ];
    return this.#select(table, columns, conditions, table.key.map(ordered), limit);
  }

  async rowsUnder(shape: TableShape, keys: readonly KeyBound[]): Promise<readonly TableRow[]> {
    const table = this.#tables.of(shape);
    const conditions = keys.flatMap((key) => {
      const pairs = keyPairs(table.key, key);
      return pairs === undefined ? [] : same(pairs);
    });
    if (conditions.length === 0) return [];
    const isAsked = conditions.map((condition) => `(${condition})`).join(' OR ');
    return this.#select(table, 'all', [isAsked], table.key.map(ordered), conditions.length);
  }

  rowsSince(shape: TableShape, from: WatermarkBound | null, limit: number): Promise<readonly TableRow[]> {
    const table = this.#tables.of(shape);
    const watermark = table.watermark!;
    const order = [columnOf(watermark), ...table.key.map(ordered)];
    const literal = from === null ? '' : boundLiteral(watermark.type, from.watermark)!;
    const condition =
      from === null
        ? `${columnOf(watermark)} IS NOT NULL`
        : from.key === null
          ? `${columnOf(watermark)} >= ${literal}`
          : beyond([{ expression: columnOf(watermark), bound: literal }, ...pairsOf(table, from.key)], '>');
    return this.#select(table, 'all', [condition], order, limit);
  }

  async highestWatermark(shape: TableShape): Promise<string | null> {
    const { relation, watermark } = this.#tables.of(shape);
    const statement = `SELECT MAX(${quoted(watermark!.name)}) FROM ${relation.name}`;
    const [row] = await this.#reading(relation.name, (session) => session.rows(statement));
    return row![0] === null ? null : boundTextOf(watermark!.type, row![0]!);
  }

  async watermarkBefore(shape: TableShape, watermark: string, overlapMs: number): Promise<string> {
    const { relation, watermark: column } = this.#tables.of(shape);
    const literal = boundLiteral(column!.type, watermark)!;
    const isNumber = column!.type.kind === 'number';
    const earlier = isNumber
      ? `${literal} - ${overlapMs}`
      : `CAST(${literal} AS DATETIME(6)) - INTERVAL ${overlapMs * 1_000} MICROSECOND`;
    const [row] = await this.#reading(relation.name, (session) => session.rows(`SELECT ${earlier}`));
    // Nothing lies before a zero date.
    return textOf(row![0]) ?? watermark;
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #select(
    table: MysqlTable,
    columns: 'all' | 'key',
    conditions: readonly string[],
    order: readonly string[],
    limit: number,
  ): Promise<readonly TableRow[]> {
    const read = columns === 'all' ? table.columns : table.key;
    const writer = rowWriter(read);
    const statement = selectStatement({
      table: table.relation.name,
      columns: read.map(selected),
      conditions,
      order,
      limit,
    });
    const keyAt = table.key.map(({ name }) => read.findIndex((column) => column.name === name));
    const watermarkAt = table.watermark === null ? -1 : read.findIndex(({ name }) => name === table.watermark!.name);
    return this.#reading(table.relation.name, async (session) =>
      (await session.rows(statement)).map((cells) => ({
        bound: keyAt.map((at) => boundTextOf(read[at]!.type, cells[at]!)),
        text: writer(cells),
        watermark:
          watermarkAt < 0 || cells[watermarkAt] === null ? null : boundTextOf(read[watermarkAt]!.type, cells[watermarkAt]!),
      })),
    );
  }

  async #reading<T>(place: string, work: (session: MysqlSession) => Promise<T>): Promise<T> {
    try {
      return await this.#pool.use(work);
    } catch (error) {
      throw asSourceError(error, place);
    }
  }
}

function pairsOf({ key, relation }: MysqlTable, bound: KeyBound): Pair[] {
  const pairs = keyPairs(key, bound);
  if (pairs === undefined) throw new SyncError('source.unavailable', `${relation.name}: its key has another type than before`);
  return pairs;
}
