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
import { beyond, type Pair, upTo } from '../tables/key-conditions.ts';
import { nameOfTable } from './catalogue.ts';
import { asSourceError } from './sqlserver-fault.ts';
import type { SqlServerPlace } from './sqlserver-place.ts';
import { type SqlServerQuery, textOf } from './sqlserver-query.ts';
import { boundOf, checkKey, findTable, ordered, type SqlServerTable, shapeOf } from './sqlserver-table.ts';
import { columnOf, Parameters, selectStatement } from './table-statements.ts';
import { boundExpression, boundOfTold, boundTextOf, jsonOf, selected } from './value-text.ts';
import { earlierWatermark } from './watermark.ts';

/** A question takes 2,100 parameters. */
const parametersMax = 1_000;

type ReaderPlace = Pick<SqlServerPlace, 'schema' | 'user' | 'database'>;

/** Tables and views of a SQL Server database, read page by page; a page is one statement. */
export class SqlServerTableReader implements TableReader {
  readonly #query: SqlServerQuery;
  readonly #place: ReaderPlace;
  readonly #tables = new DescribedTables<SqlServerTable>();
  #isolation = '';

  constructor(query: SqlServerQuery, place: ReaderPlace) {
    this.#query = query;
    this.#place = place;
  }

  async describe(selection: TableSelection): Promise<TableShape> {
    const { name } = nameOfTable(selection.table, this.#place.schema);
    return this.#reading(name, async () => {
      this.#isolation = await isolationOf(this.#query);
      const table = await findTable(this.#query, selection, this.#place);
      return this.#tables.add(shapeOf(table), table, () => checkKey(this.#query, table));
    });
  }

  rows(shape: TableShape, { after, upTo: last }: KeyRange, limit: number, columns: 'all' | 'key'): Promise<readonly TableRow[]> {
    const table = this.#tables.of(shape);
    const parameters = new Parameters();
    const conditions = [
      ...(after === null ? [] : [beyond(keyPairs(table, after, parameters), '>')]),
      ...(last === null ? [] : [upTo(keyPairs(table, last, parameters))]),
    ];
    return this.#select(table, columns, conditions, table.key.map(ordered), limit, parameters);
  }

  async rowsUnder(shape: TableShape, keys: readonly KeyBound[]): Promise<readonly TableRow[]> {
    const table = this.#tables.of(shape);
    const atOnce = Math.floor(parametersMax / table.key.length);
    const rows: TableRow[] = [];
    for (let from = 0; from < keys.length; from += atOnce) {
      const parameters = new Parameters();
      const asked = keys.slice(from, from + atOnce);
      const conditions = asked.map((key) => {
        const parts = table.key.map((column, at) => {
          const told = parameters.add(boundOfTold(column.kind, key[at]!));
          return `${ordered(column)} = ${boundOf(column, told, 'TRY_CONVERT')}`;
        });
        return `(${parts.join(' AND ')})`;
      });
      const isAsked = conditions.join(' OR ');
      rows.push(...(await this.#select(table, 'all', [isAsked], table.key.map(ordered), asked.length, parameters)));
    }
    return rows;
  }

  rowsSince(shape: TableShape, from: WatermarkBound | null, limit: number): Promise<readonly TableRow[]> {
    const table = this.#tables.of(shape);
    const column = table.watermark!;
    const parameters = new Parameters();
    const conditions = isVersion(table) ? [`${columnOf(column)} < @settled`] : [];
    if (from === null) conditions.push(`${columnOf(column)} IS NOT NULL`);
    else {
      const reached = { expression: columnOf(column), bound: boundExpression(column, parameters.add(from.watermark)) };
      conditions.push(
        from.key === null
          ? `${reached.expression} >= ${reached.bound}`
          : beyond([reached, ...keyPairs(table, from.key, parameters)], '>'),
      );
    }
    return this.#select(table, 'all', conditions, [columnOf(column), ...table.key.map(ordered)], limit, parameters);
  }

  async highestWatermark(shape: TableShape): Promise<string | null> {
    const table = this.#tables.of(shape);
    const { relation, watermark } = table;
    const highest = selected(watermark!, `MAX(${columnOf(watermark!)})`);
    const where = isVersion(table) ? ` WHERE ${columnOf(watermark!)} < @settled` : '';
    const [row] = await this.#reading(relation.name, () =>
      this.#query.run(`${this.#preamble(table)}SELECT ${highest} FROM ${relation.name} AS t${where}`),
    );
    return row![0] === null ? null : boundTextOf(watermark!.kind, row![0]!);
  }

  async watermarkBefore(shape: TableShape, watermark: string, overlapMs: number): Promise<string> {
    const { relation, watermark: column } = this.#tables.of(shape);
    const earlier = earlierWatermark(column!, watermark, overlapMs);
    if (earlier.kind === 'known') return earlier.watermark;
    const [row] = await this.#reading(relation.name, () => this.#query.run(`SELECT ${earlier.expression}`, [watermark]));
    return boundTextOf(column!.kind, textOf(row![0]));
  }

  close(): Promise<void> {
    return this.#query.close();
  }

  async #select(
    table: SqlServerTable,
    columns: 'all' | 'key',
    conditions: readonly string[],
    order: readonly string[],
    limit: number,
    { texts }: Parameters,
  ): Promise<readonly TableRow[]> {
    const read = columns === 'all' ? table.columns : table.key;
    const statement = selectStatement({
      table: table.relation.name,
      columns: read.map((column) => selected(column, columnOf(column))),
      conditions,
      order,
      limit,
    });
    const labels = read.map(({ name }, at) => `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`);
    const keyAt = table.key.map(({ name }) => read.findIndex((column) => column.name === name));
    const watermarkAt = table.watermark === null ? -1 : read.findIndex(({ name }) => name === table.watermark!.name);
    const rows = await this.#reading(table.relation.name, () => this.#query.run(`${this.#preamble(table)}${statement}`, texts));
    return rows.map((cells) => {
      const watermark = watermarkAt < 0 ? null : cells[watermarkAt]!;
      return {
        bound: keyAt.map((at) => boundTextOf(read[at]!.kind, cells[at]!)),
        text: `${labels.map((label, at) => label + jsonOf(read[at]!.kind, cells[at]!)).join('')}}`,
        watermark: watermark === null ? null : boundTextOf(read[watermarkAt]!.kind, watermark),
      };
    });
  }

  /**
   * A rowversion is given when a row is written and seen when it is committed. Below the lowest that is still under way
   * nothing can appear any more; asked for before the rows are, since what commits in between must be seen.
   */
  #preamble(table: SqlServerTable): string {
    return this.#isolation + (isVersion(table) ? 'DECLARE @settled binary(8) = MIN_ACTIVE_ROWVERSION(); ' : '');
  }

  async #reading<T>(table: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw asSourceError(error, { table, database: this.#place.database, user: this.#place.user });
    }
  }
}

/** One moment and no locks where the database allows that; otherwise readers wait for what is being written, row by row. */
async function isolationOf(query: SqlServerQuery): Promise<string> {
  const [row] = await query.run(
    'SELECT CONVERT(varchar(1), d.snapshot_isolation_state) FROM sys.databases AS d WHERE d.name = DB_NAME()',
  );
  return row?.[0] === '1' ? 'SET TRANSACTION ISOLATION LEVEL SNAPSHOT; ' : '';
}

function isVersion({ watermark }: SqlServerTable): boolean {
  return watermark?.kind === 'rowversion';
}

function keyPairs({ key, relation }: SqlServerTable, bound: KeyBound, parameters: Parameters): Pair[] {
  if (bound.length !== key.length)
    throw new SyncError('source.unavailable', `${relation.name}: its key has other columns than before`);
  return key.map((column, at) => ({ expression: ordered(column), bound: boundOf(column, parameters.add(bound[at]!)) }));
}
