import { isSyncError } from '../../core/errors.ts';
import type {
  KeyBound,
  KeyRange,
  TableReader,
  TableRow,
  TableSelection,
  TableShape,
  WatermarkBound,
} from '../../core/ports/table-reader.ts';
import { DescribedTables, shapeId } from '../tables/described-tables.ts';
import { underKeys } from '../tables/key-groups.ts';
import { boundTextOf, castOf, codecOf, parameterOf } from './cell-codec.ts';
import type { Column } from './column-type.ts';
import { asSourceError, faultOf } from './firebird-fault.ts';
import { type FirebirdPlace, nameOf } from './firebird-place.ts';
import { FirebirdPool } from './firebird-pool.ts';
import { attachReader, type FirebirdTransaction, type Parameter } from './firebird-session.ts';
import { checkKey, checkPermission, type FirebirdTable, findTable, shapeOf } from './firebird-table.ts';
import { ReadAhead } from './read-ahead.ts';
import { readRows } from './row-reader.ts';
import { alias, beyond, type Comparison, columnOf, selectStatement, upTo } from './table-statements.ts';

/** Each is a condition of its own in the statement. */
const keysAtOnce = 50;

/** Tables and views of a Firebird database, read page by page; each page as of one moment. */
export class FirebirdTableReader implements TableReader {
  readonly #pool: FirebirdPool;
  readonly #place: FirebirdPlace;
  readonly #tables = new DescribedTables<FirebirdTable>();
  readonly #ahead = new Map<string, ReadAhead>();

  constructor(place: FirebirdPlace, sessionsMax: number) {
    this.#place = place;
    this.#pool = new FirebirdPool(place, sessionsMax, attachReader);
  }

  async describe(selection: TableSelection): Promise<TableShape> {
    return this.#reading(async (transaction) => {
      const table = await findTable(transaction, selection);
      await checkPermission(transaction, table);
      const shape = await this.#tables.add(shapeOf(table), table, () => checkKey(transaction, table));
      // Whoever looks at a table anew wants to see it as it is now.
      for (const columns of ['all', 'key']) {
        const id = `${columns} ${shapeId(shape)}`;
        await this.#ahead.get(id)?.forget();
        this.#ahead.delete(id);
      }
      return shape;
    });
  }

  rows(shape: TableShape, range: KeyRange, limit: number, columns: 'all' | 'key'): Promise<readonly TableRow[]> {
    const id = `${columns} ${shapeId(shape)}`;
    const table = this.#tables.of(shape);
    const ahead = this.#ahead.get(id) ?? new ReadAhead((asked, most) => this.#page(table, asked, most, columns));
    this.#ahead.set(id, ahead);
    return ahead.rows(range, limit);
  }

  #page(
    table: FirebirdTable,
    { after, upTo: last }: KeyRange,
    limit: number,
    columns: 'all' | 'key',
  ): Promise<readonly TableRow[]> {
    const conditions: string[] = [];
    const parameters: Parameter[] = [];
    const add = (comparison: Comparison, bound: KeyBound) => {
      conditions.push(comparison.sql);
      parameters.push(...this.#parametersOf(table.key, comparison, bound));
    };
    if (after !== null) add(beyond(table.key, '>'), after);
    if (last !== null) add(upTo(table.key), last);
    const read = columns === 'all' ? table.columns : table.key;
    return this.#select(table, read, conditions, [limit, ...parameters], table.key);
  }

  async rowsUnder(shape: TableShape, keys: readonly KeyBound[]): Promise<readonly TableRow[]> {
    const table = this.#tables.of(shape);
    const isThis = `(${table.key.map((column) => `${columnOf(column)} = ${castOf(column.type)}`).join(' AND ')})`;
    const ask = (some: readonly KeyBound[]) => {
      const parameters = some.flatMap((key) => table.key.map(({ type }, at) => this.#parameterOfKey(type, key[at]!)));
      const isAsked = some.map(() => isThis).join(' OR ');
      return this.#select(table, table.columns, [isAsked], [some.length, ...parameters], table.key);
    };
    const rows: TableRow[] = [];
    for (let from = 0; from < keys.length; from += keysAtOnce) {
      rows.push(...(await underKeys(keys.slice(from, from + keysAtOnce), ask, isDataFault)));
    }
    return rows;
  }

  async rowsSince(shape: TableShape, from: WatermarkBound | null, limit: number): Promise<readonly TableRow[]> {
    const table = this.#tables.of(shape);
    const watermark = table.watermark!;
    const order = [watermark, ...table.key];
    const conditions: string[] = [`${columnOf(watermark)} IS NOT NULL`];
    const parameters: Parameter[] = [];
    if (from !== null && from.key === null) {
      conditions.push(`${columnOf(watermark)} >= ${castOf(watermark.type)}`);
      parameters.push(this.#parameter(watermark, from.watermark));
    } else if (from !== null) {
      const comparison = beyond(order, '>');
      conditions.push(comparison.sql);
      parameters.push(...this.#parametersOf(order, comparison, [from.watermark, ...from.key!]));
    }
    return this.#select(table, table.columns, conditions, [limit, ...parameters], order);
  }

  async highestWatermark(shape: TableShape): Promise<string | null> {
    const { relation, watermark } = this.#tables.of(shape);
    const codec = codecOf(watermark!, alias, this.#place.characterSet);
    return this.#reading(async (transaction) => {
      const statement = selectStatement(relation.name, [codec], [`${columnOf(watermark!)} IS NOT NULL`], [watermark!]);
      const [row] = await transaction.rows(`${statement} DESC`, [1]);
      return row === undefined ? null : boundTextOf(watermark!.type, codec.json(row, 0, transaction) as string);
    });
  }

  async watermarkBefore(shape: TableShape, text: string, overlapMs: number): Promise<string> {
    const { type } = this.#tables.of(shape).watermark!;
    const before =
      type.kind === 'number'
        ? `${castOf(type)} - ${overlapMs}`
        : `CAST(DATEADD(-${overlapMs} MILLISECOND TO CAST(${castOf(type)} AS TIMESTAMP)) AS ${type.sql})`;
    return this.#reading(async (transaction) => {
      const [row] = await transaction.rows(`SELECT CAST(${before} AS VARCHAR(64)) FROM RDB$DATABASE`, [text]);
      return String(row![0]);
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#ahead.values()].map((ahead) => ahead.forget()));
    this.#ahead.clear();
    await this.#pool.close();
  }

  async #select(
    table: FirebirdTable,
    columns: readonly Column[],
    conditions: readonly string[],
    parameters: readonly Parameter[],
    order: readonly Column[],
  ): Promise<readonly TableRow[]> {
    const statement = (codecs: Parameters<typeof selectStatement>[1]) =>
      selectStatement(table.relation.name, codecs, conditions, order);
    return this.#reading((transaction) =>
      readRows({ transaction, table, columns, unspecified: this.#place.characterSet, statement, parameters }),
    );
  }

  #parametersOf(columns: readonly Column[], { parts }: Comparison, bound: KeyBound): Parameter[] {
    return parts.map((part) => this.#parameter(columns[part]!, bound[part]!));
  }

  /** Of a key as the row's own JSON tells it. */
  #parameterOfKey(type: Column['type'], text: string): Parameter {
    return parameterOf(type, boundTextOf(type, JSON.stringify(text)), this.#place.characterSet);
  }

  #parameter({ type }: Column, text: string): Parameter {
    return parameterOf(type, text, this.#place.characterSet);
  }

  async #reading<T>(work: (transaction: FirebirdTransaction) => Promise<T>): Promise<T> {
    try {
      return await this.#pool.read(work);
    } catch (error) {
      throw isSyncError(error)
        ? error
        : asSourceError(error, nameOf(this.#place), '; GRANT SELECT on it to the user of the source');
    }
  }
}

function isDataFault(error: unknown): boolean {
  return isSyncError(error) && faultOf(error.cause) === 'data';
}
