import pg from 'pg';
import { canonicalText } from '../../core/canonical/canonical.ts';
import { fieldOf, type JsonObject, parseExact, stringifyExact } from '../../core/json.ts';
import { keyColumnsOf, keyTextOf } from '../../core/key-text.ts';
import type { SystemRange, SystemReader, SystemRow } from '../../core/ports/system-reader.ts';
import {
  type TargetChange,
  type TargetConnector,
  TargetRejected,
  type TargetResult,
  type TargetRow,
} from '../../core/ports/target-connector.ts';
import { type Column, readTableShape, type TableDeclaration, type TableShape, unknownColumn } from './table-shape.ts';
import { deleteStatement, insertStatement, rangeStatement, selectStatement, updateStatement } from './table-statements.ts';
import { asTargetError, targetFaultOf } from './target-fault.ts';

export interface PostgresTargetOptions {
  readonly url: string;
  readonly connectionsMax: number;
  readonly timeoutMs: number;
  readonly tables: readonly TableDeclaration[];
  readonly applicationName: string;
}

const repeatsMax = 5;

/** Another writer put a row in where none was: what was decided on is gone. */
class RowAppeared extends Error {}

/** A write in hand: what is to stand under the key, and where its result belongs. */
interface Planned {
  readonly at: number;
  readonly keyColumns: JsonObject;
  readonly doc: JsonObject;
}

export class PostgresTarget implements TargetConnector, SystemReader {
  readonly #options: PostgresTargetOptions;
  readonly #pool: pg.Pool;
  #shapes: ReadonlyMap<string, TableShape> = new Map();

  constructor(options: PostgresTargetOptions) {
    this.#options = options;
    this.#pool = new pg.Pool({
      connectionString: options.url,
      max: options.connectionsMax,
      application_name: options.applicationName,
      connectionTimeoutMillis: Math.min(options.timeoutMs, 10_000),
      // The server gives up first, so that the outcome is known; the client does where the server is gone.
      query_timeout: options.timeoutMs + 1_000,
      keepAlive: true,
    });
    // A connection that breaks is replaced at the next use; without listeners it would stop the process.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  async open(): Promise<void> {
    try {
      const shapes = new Map<string, TableShape>();
      for (const table of this.#options.tables) shapes.set(table.kind, await readTableShape(this.#pool, table));
      this.#shapes = shapes;
    } catch (error) {
      throw asTargetError(error, 'PostgreSQL');
    }
  }

  keyOf(kind: string, row: TargetRow): string | undefined {
    const table = this.#options.tables.find((declared) => declared.kind === kind);
    return table === undefined ? undefined : keyTextOf(table.key, row);
  }

  async write(kind: string, changes: readonly TargetChange[]): Promise<readonly TargetResult[]> {
    const shape = this.#shapeOf(kind);
    const keys = changes.map(({ key }) => keyOrRejected(shape, key));
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#inTransaction((client) => new TableBatch(client, shape).write(changes, keys));
      } catch (error) {
        const again = error instanceof RowAppeared || targetFaultOf(error) === 'repeat';
        if (again && attempt < repeatsMax) continue;
        if (error instanceof RowAppeared) throw new TargetRejected(`${shape.name} does not keep a row under its key`);
        throw asTargetError(error, shape.name);
      }
    }
  }

  async readRange(kind: string, after: JsonObject | null, limit: number): Promise<SystemRange> {
    const shape = this.#shapeOf(kind);
    const values = after === null ? [limit] : [stringifyExact(after), limit];
    const found = await this.#reading(shape, (client) =>
      client.query<{ row: string }>(rangeStatement(shape, after === null), values),
    );
    const rows = found.rows.map(({ row }) => parseExact(row) as TargetRow);
    const last = rows.at(-1);
    return {
      rows: rows.flatMap((row) => keyed(shape, row)),
      next:
        last === undefined || rows.length < limit
          ? null
          : Object.fromEntries(shape.key.map((column) => [column, fieldOf(last, column)!])),
    };
  }

  async readKeys(kind: string, keys: readonly string[]): Promise<readonly SystemRow[]> {
    const shape = this.#shapeOf(kind);
    const known = keys.flatMap((key) => {
      const columns = keyColumnsOf(shape.key, key);
      return columns === undefined ? [] : [{ key, columns }];
    });
    if (known.length === 0) return [];
    const values = [stringifyExact(known.map(({ columns }) => columns))];
    try {
      const { rows } = await this.#inTransaction((client) =>
        client.query<{ at: number; row: string }>(selectStatement(shape, false), values),
      );
      return rows.map(({ at, row }) => ({ key: known[at]!.key, row: parseExact(row) as TargetRow }));
    } catch (error) {
      // A key that is none of the column's type fails the statement: it has no row, and the others are asked for without it.
      if (targetFaultOf(error) !== 'data') throw asTargetError(error, shape.name);
      if (known.length === 1) return [];
      const middle = known.length >> 1;
      const halves = [known.slice(0, middle), known.slice(middle)].map((half) => half.map(({ key }) => key));
      return [...(await this.readKeys(kind, halves[0]!)), ...(await this.readKeys(kind, halves[1]!))];
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #reading<T>(shape: TableShape, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    try {
      return await this.#inTransaction(work);
    } catch (error) {
      throw asTargetError(error, shape.name);
    }
  }

  #shapeOf(kind: string): TableShape {
    const shape = this.#shapes.get(kind);
    if (shape === undefined) throw new Error(`the target was not opened for ${kind}`);
    return shape;
  }

  async #inTransaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      // Times as UTC, whatever the database prefers, and without a setting that a pooler would refuse or carry to others.
      const limitMs = Math.ceil(this.#options.timeoutMs);
      await client.query(`BEGIN; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'iso_8601';
        SET LOCAL statement_timeout = ${limitMs}; SET LOCAL idle_in_transaction_session_timeout = ${limitMs}`);
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((failed: Error) => {
        broken = failed;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }
}

class TableBatch {
  readonly #client: pg.PoolClient;
  readonly #shape: TableShape;

  constructor(client: pg.PoolClient, shape: TableShape) {
    this.#client = client;
    this.#shape = shape;
  }

  async write(changes: readonly TargetChange[], keys: readonly JsonObject[]): Promise<TargetResult[]> {
    const found = await this.#rowsAt(keys, true);
    const [inserts, updates, deletes, probes]: Planned[][] = [[], [], [], []];
    for (const [at, change] of changes.entries()) {
      const decision = change.decide(found.get(at) ?? null);
      const keyColumns = keys[at]!;
      if (decision.kind === 'leave') continue;
      if (decision.kind === 'delete') deletes!.push({ at, keyColumns, doc: keyColumns });
      else {
        const planned = { at, keyColumns, doc: { ...decision.row, ...keyColumns } };
        if (decision.kind === 'probe') probes!.push(planned);
        else if (found.has(at)) updates!.push(planned);
        else inserts!.push(planned);
      }
    }
    if (deletes!.length > 0) await this.#run(deleteStatement(this.#shape), deletes!);
    await this.#store(inserts!, updates!);
    const returned = await this.#returned([...inserts!, ...updates!]);
    const kept = await this.#keep(probes!, found);
    const written = new Set([...inserts!, ...updates!, ...deletes!].map(({ at }) => at));
    return changes.map((_change, at): TargetResult => {
      const before = found.get(at) ?? null;
      if (kept.has(at)) return { kind: 'written', replaced: before, returned: before };
      return written.has(at)
        ? { kind: 'written', replaced: before, returned: returned.get(at) ?? null }
        : { kind: 'left', found: before };
    });
  }

  async #store(inserts: readonly Planned[], updates: readonly Planned[]): Promise<void> {
    if (updates.length > 0) {
      const statement = updateStatement(this.#shape, this.#columnsOf(updates));
      if (statement !== undefined) await this.#run(statement, updates);
    }
    if (inserts.length > 0) {
      const inserted = await this.#run(insertStatement(this.#shape, this.#columnsOf(inserts)), inserts);
      if (inserted !== inserts.length) throw new RowAppeared();
    }
  }

  /** Read again rather than returned by the statements: so it shows what triggers made of it afterwards, too. */
  async #returned(planned: readonly Planned[]): Promise<Map<number, TargetRow>> {
    if (planned.length === 0) return new Map();
    const rows = await this.#rowsAt(
      planned.map(({ keyColumns }) => keyColumns),
      false,
    );
    if (rows.size !== planned.length) throw new RowAppeared();
    return new Map([...rows].map(([index, row]) => [planned[index]!.at, row]));
  }

  /** One by one: there are few, after a crash. */
  async #keep(probes: readonly Planned[], found: ReadonlyMap<number, TargetRow>): Promise<Set<number>> {
    const kept = new Set<number>();
    for (const probe of probes) {
      const before = found.get(probe.at);
      if (before === undefined) continue;
      await this.#client.query('SAVEPOINT probe');
      await this.#store([], [probe]);
      const [after] = (await this.#returned([probe])).values();
      const same = after !== undefined && canonicalText(after) === canonicalText(before);
      if (same) kept.add(probe.at);
      else await this.#client.query('ROLLBACK TO SAVEPOINT probe');
      await this.#client.query('RELEASE SAVEPOINT probe');
    }
    return kept;
  }

  async #rowsAt(keys: readonly JsonObject[], lock: boolean): Promise<Map<number, TargetRow>> {
    const { rows } = await this.#client.query<{ at: number; row: string }>(selectStatement(this.#shape, lock), [
      stringifyExact([...keys]),
    ]);
    return new Map(rows.map(({ at, row }) => [at, parseExact(row) as TargetRow]));
  }

  async #run(statement: string, planned: readonly Planned[]): Promise<number> {
    const { rowCount } = await this.#client.query(statement, [stringifyExact(planned.map(({ doc }) => doc))]);
    return rowCount ?? 0;
  }

  /** The columns any of these rows speaks of, in the table's order. */
  #columnsOf(planned: readonly Planned[]): Column[] {
    const names = new Set(planned.flatMap(({ doc }) => Object.keys(doc)));
    for (const name of names) {
      if (this.#shape.columns.has(name)) continue;
      throw new TargetRejected(
        unknownColumn(this.#shape.columns, this.#shape.name, name, `the mapping rule \`fields.${name}\``),
        {
          column: name,
        },
      );
    }
    return [...this.#shape.columns.values()].filter(({ name, generated }) => names.has(name) && !generated);
  }
}

function keyed(shape: TableShape, row: TargetRow): SystemRow[] {
  const key = keyTextOf(shape.key, row);
  return key === undefined ? [] : [{ key, row }];
}

function keyOrRejected(shape: TableShape, key: string): JsonObject {
  const columns = keyColumnsOf(shape.key, key);
  if (columns !== undefined) return columns;
  throw new TargetRejected(
    `the key ${key} has not the ${shape.key.length} parts of ${shape.name}'s key (${shape.key.join(', ')})`,
  );
}
