import pg from 'pg';
import type {
  KeyBound,
  KeyRange,
  TableReader,
  TableRow,
  TableSelection,
  TableShape,
  WatermarkBound,
} from '../../core/ports/table-reader.ts';
import { asSourceError } from './source-fault.ts';
import { type PostgresShape, readSourceShape } from './source-shape.ts';
import { quoted } from './table-shape.ts';

export interface PostgresReaderOptions {
  readonly url: string;
  readonly connectionsMax: number;
  readonly timeoutMs: number;
  readonly applicationName: string;
  /** The moment everything is read at, as another session exported it; without it each question has its own. */
  readonly snapshot?: string;
}

/** Times as UTC and in one spelling, whatever the database prefers, and without a setting that a pooler would carry to others. */
export const rowSettings = `SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'iso_8601';
  SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'`;

export class PostgresTableReader implements TableReader {
  readonly #pool: pg.Pool;
  readonly #begin: string;

  constructor(options: PostgresReaderOptions) {
    const { snapshot } = options;
    const begin =
      snapshot === undefined
        ? 'BEGIN READ ONLY'
        : `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '${snapshot}'`;
    this.#begin = `${begin}; ${rowSettings}; SET LOCAL statement_timeout = ${Math.ceil(options.timeoutMs)}`;
    this.#pool = new pg.Pool({
      connectionString: options.url,
      max: options.connectionsMax,
      application_name: options.applicationName,
      connectionTimeoutMillis: Math.min(options.timeoutMs, 10_000),
      // The server gives up first; the client does where the server is gone.
      query_timeout: options.timeoutMs + 1_000,
      keepAlive: true,
    });
    // A connection that breaks is replaced at the next use; without listeners it would stop the process.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  describe(selection: TableSelection): Promise<TableShape> {
    return this.#inTransaction(selection.table, (client) => readSourceShape(client, selection));
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
    const { rows } = await this.#inTransaction(shape.name, (client) => client.query<{ highest: string | null }>(text));
    return rows[0]!.highest;
  }

  async watermarkBefore(shape: TableShape, watermark: string, overlapMs: number): Promise<string> {
    const { type, category } = (shape as PostgresShape).types.get(shape.watermark!)!;
    if (category !== 'D' && category !== 'N') return watermark;
    const text =
      category === 'D'
        ? `SELECT ($1::${type} - make_interval(secs => $2::float / 1000))::text AS before`
        : 'SELECT ($1::numeric - $2::numeric)::text AS before';
    const { rows } = await this.#inTransaction(shape.name, (client) =>
      client.query<{ before: string }>(text, [watermark, overlapMs]),
    );
    return rows[0]!.before;
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #select(shape: TableShape, text: string, values: readonly string[]): Promise<TableRow[]> {
    const { rows } = await this.#inTransaction(shape.name, (client) =>
      client.query<(string | null)[]>({ text, values: [...values], rowMode: 'array' }),
    );
    const keyParts = shape.key.length;
    return rows.map(([row, watermark, ...bound]) => ({
      bound: bound.slice(0, keyParts) as string[],
      text: row!,
      watermark: watermark ?? null,
    }));
  }

  async #inTransaction<T>(place: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw asSourceError(error, 'PostgreSQL');
    }
    let broken: Error | undefined;
    try {
      await client.query(this.#begin);
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((failed: Error) => {
        broken = failed;
      });
      throw asSourceError(error, place);
    } finally {
      client.release(broken);
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
