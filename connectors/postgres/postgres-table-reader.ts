import type pg from 'pg';
import type {
  KeyBound,
  KeyRange,
  TableReader,
  TableRow,
  TableSelection,
  TableShape,
  WatermarkBound,
} from '../../core/ports/table-reader.ts';
import { underKeys } from '../tables/key-groups.ts';
import { type PostgresPlace, PostgresPool } from './postgres-pool.ts';
import { asSourceError } from './source-fault.ts';
import { type PostgresShape, readSourceShape } from './source-shape.ts';
import { sqlStateOf } from './sql-state.ts';
import { quoted } from './table-shape.ts';

export interface PostgresReaderOptions extends PostgresPlace {
  /** The moment everything is read at, as another session exported it; without it each question has its own. */
  readonly snapshot?: string;
}

/** Times as UTC and in one spelling, whatever the database prefers, and without a setting that a pooler would carry to others. */
export const rowSettings = `SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'iso_8601';
  SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'`;

export class PostgresTableReader implements TableReader {
  readonly #pool: PostgresPool;
  readonly #begin: string;

  constructor({ snapshot, ...place }: PostgresReaderOptions) {
    const begin =
      snapshot === undefined
        ? 'BEGIN READ ONLY'
        : `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '${snapshot}'`;
    this.#begin = `${begin}; ${rowSettings}`;
    this.#pool = new PostgresPool(place);
  }

  describe(selection: TableSelection): Promise<TableShape> {
    return this.#reading(selection.table, (client) => readSourceShape(client, selection));
  }

  rows(shape: TableShape, { after, upTo }: KeyRange, limit: number, columns: 'all' | 'key'): Promise<readonly TableRow[]> {
    const values: string[] = [];
    const bound = (operator: string, key: KeyBound) =>
      `${keyList(shape)} ${operator} ${tupleOf(shape as PostgresShape, shape.key, key, values)}`;
    const conditions = [...(after === null ? [] : [bound('>', after)]), ...(upTo === null ? [] : [bound('<=', upTo)])];
    const read = columns === 'all' ? shape.columns.map(({ name }) => name) : shape.key;
    const text = selectText(shape, read, conditions, shape.key, limit, columns === 'all' ? shape.watermark : null);
    return this.#select(shape, text, values);
  }

  rowsUnder(shape: TableShape, keys: readonly KeyBound[]): Promise<readonly TableRow[]> {
    const { types } = shape as PostgresShape;
    const parts = shape.key.map((_column, at) => `k${at}`);
    const given = parts.map((_part, at) => `$${at + 1}::text[]`).join(', ');
    const bounds = shape.key.map((column, at) => `${parts[at]}::${types.get(column)!.type}`).join(', ');
    const isAsked = `${keyList(shape)} IN (SELECT ${bounds} FROM unnest(${given}) AS given(${parts.join(', ')}))`;
    const read = shape.columns.map(({ name }) => name);
    const ask = (some: readonly KeyBound[]) =>
      this.#select(
        shape,
        selectText(shape, read, [isAsked], shape.key, some.length, shape.watermark),
        shape.key.map((_column, at) => some.map((key) => key[at]!)),
      );
    return underKeys(keys, ask, (error) => sqlStateOf(error)?.startsWith('22') === true);
  }

  rowsSince(shape: TableShape, from: WatermarkBound | null, limit: number): Promise<readonly TableRow[]> {
    const watermark = shape.watermark!;
    const order = [watermark, ...shape.key];
    const values: string[] = [];
    const known = shape as PostgresShape;
    const condition =
      from === null
        ? `${quoted(watermark)} IS NOT NULL`
        : from.key === null
          ? `${quoted(watermark)} >= ${tupleOf(known, [watermark], [from.watermark], values)}`
          : `(${order.map(quoted).join(', ')}) > ${tupleOf(known, order, [from.watermark, ...from.key], values)}`;
    const read = shape.columns.map(({ name }) => name);
    return this.#select(shape, selectText(shape, read, [condition], order, limit, watermark), values);
  }

  async highestWatermark(shape: TableShape): Promise<string | null> {
    const text = `SELECT max(${quoted(shape.watermark!)})::text AS highest FROM ${shape.name}`;
    const { rows } = await this.#reading(shape.name, (client) => client.query<{ highest: string | null }>(text));
    return rows[0]!.highest;
  }

  async watermarkBefore(shape: TableShape, watermark: string, overlapMs: number): Promise<string> {
    const { type, category } = (shape as PostgresShape).types.get(shape.watermark!)!;
    if (category !== 'D' && category !== 'N') return watermark;
    const text =
      category === 'D'
        ? `SELECT ($1::${type} - make_interval(secs => $2::float / 1000))::text AS before`
        : 'SELECT ($1::numeric - $2::numeric)::text AS before';
    const { rows } = await this.#reading(shape.name, (client) => client.query<{ before: string }>(text, [watermark, overlapMs]));
    return rows[0]!.before;
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #select(shape: TableShape, text: string, values: readonly (string | readonly string[])[]): Promise<TableRow[]> {
    const { rows } = await this.#reading(shape.name, (client) =>
      client.query<(string | null)[]>({ text, values: [...values], rowMode: 'array' }),
    );
    const keyParts = shape.key.length;
    return rows.map(([row, watermark, ...bound]) => ({
      bound: bound.slice(0, keyParts) as string[],
      text: row!,
      watermark: watermark ?? null,
    }));
  }

  async #reading<T>(table: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    try {
      return await this.#pool.transact(this.#begin, work);
    } catch (error) {
      throw asSourceError(error, table);
    }
  }
}

/**
 * `row_to_json` tells a row as a target of this connector does, digits and all, and keeps the order of its columns, so
 * that equal rows have equal texts.
 */
function selectText(
  shape: TableShape,
  columns: readonly string[],
  conditions: readonly string[],
  order: readonly string[],
  limit: number,
  watermark: string | null,
): string {
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const bounds = shape.key.map((column) => `r.${quoted(column)}::text`);
  const mark = watermark === null ? 'NULL' : `r.${quoted(watermark)}::text`;
  return `SELECT row_to_json(r)::text, ${mark}, ${bounds.join(', ')}
    FROM (SELECT ${columns.map(quoted).join(', ')} FROM ${shape.name} ${where} ORDER BY ${order.map(quoted).join(', ')} LIMIT ${limit}) AS r`;
}

function keyList(shape: TableShape): string {
  return `(${shape.key.map(quoted).join(', ')})`;
}

/** The bounds as parameters, each in the type of its column. */
function tupleOf(shape: PostgresShape, columns: readonly string[], bound: KeyBound, values: string[]): string {
  const parts = columns.map((column, at) => `$${values.push(bound[at]!)}::${shape.types.get(column)!.type}`);
  return `(${parts.join(', ')})`;
}
