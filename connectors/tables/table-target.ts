import type { JsonObject } from '../../core/json.ts';
import { keyColumnsOf, keyTextOf } from '../../core/key-text.ts';
import type { SystemRange, SystemReader, SystemRow } from '../../core/ports/system-reader.ts';
import {
  type TargetChange,
  type TargetConnector,
  TargetRejected,
  type TargetResult,
  type TargetRow,
} from '../../core/ports/target-connector.ts';
import { underKeys } from './key-groups.ts';
import { RowMoved, TableBatch, type TableKey, type TableRows } from './table-batch.ts';
import type { TableDeclaration } from './table-declaration.ts';

/** What targets of tables do not share: how one database is asked, and what it has to say. */
export interface TableDialect<Table, Key extends TableKey, Session> {
  /** How often at most others may be in the way of one batch. */
  readonly repeatsMax: number;
  /** How many keys are looked for at once where nothing is written. */
  readonly keysAtOnce: number;
  /** What the database says of the table, held against what the configuration says. */
  find(session: Session, declaration: TableDeclaration): Promise<Table>;
  /** As messages call it. */
  nameOf(table: Table): string;
  /** Undefined where no row can have this key. */
  keyFrom(table: Table, columns: JsonObject): Key | undefined;
  rowsOf(session: Session, table: Table): TableRows<Key>;
  /** Rolled back, where it is a transaction, when the work fails. */
  reading<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** One transaction. */
  writing<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Whether others were in the way, so that the same may go well when it is tried again. */
  isInTheWay(error: unknown, table: Table): boolean;
  /** As the port wants it told; null: of the database as a whole. */
  tell(error: unknown, table: Table | null): Error;
  close(): Promise<void>;
}

/** A row that moves again and again is no race: a trigger, or another unique key, stands behind it. */
const movesMax = 5;

/** Tables of a database to which resolved records are written, and which can be read back. */
export class TableTarget<Table, Key extends TableKey, Session> implements TargetConnector, SystemReader {
  readonly #dialect: TableDialect<Table, Key, Session>;
  readonly #declared: ReadonlyMap<string, TableDeclaration>;
  #tables: ReadonlyMap<string, Table> = new Map();

  constructor(dialect: TableDialect<Table, Key, Session>, declared: readonly TableDeclaration[]) {
    this.#dialect = dialect;
    this.#declared = new Map(declared.map((declaration) => [declaration.kind, declaration]));
  }

  async open(): Promise<void> {
    try {
      this.#tables = await this.#dialect.reading(async (session) => {
        const tables = new Map<string, Table>();
        for (const [kind, declaration] of this.#declared) tables.set(kind, await this.#dialect.find(session, declaration));
        return tables;
      });
    } catch (error) {
      throw this.#dialect.tell(error, null);
    }
  }

  keyOf(kind: string, row: TargetRow): string | undefined {
    const declaration = this.#declared.get(kind);
    return declaration === undefined ? undefined : keyTextOf(declaration.key, row);
  }

  async write(kind: string, changes: readonly TargetChange[]): Promise<readonly TargetResult[]> {
    const [dialect, table] = [this.#dialect, this.#tableOf(kind)];
    const name = dialect.nameOf(table);
    const keys = changes.map(({ key }) => this.#keyFrom(kind, table, key) ?? this.#noKey(kind, name, key));
    for (let attempt = 1; ; attempt++) {
      try {
        return await dialect.writing((session) => new TableBatch(dialect.rowsOf(session, table), name).write(changes, keys));
      } catch (error) {
        const isMoved = error instanceof RowMoved;
        const attemptsMax = isMoved ? movesMax : dialect.isInTheWay(error, table) ? dialect.repeatsMax : 1;
        if (attempt < attemptsMax) continue;
        throw isMoved ? new TargetRejected(error.message, {}, error.cause) : dialect.tell(error, table);
      }
    }
  }

  async readRange(kind: string, after: JsonObject | null, limit: number): Promise<SystemRange> {
    const { rows, end } = await this.#reading(this.#tableOf(kind), (found) => found.behind(after, limit));
    return {
      rows: rows.flatMap((row) => {
        const key = this.keyOf(kind, row);
        return key === undefined ? [] : [{ key, row }];
      }),
      next: rows.length < limit ? null : end,
    };
  }

  async readKeys(kind: string, keys: readonly string[]): Promise<readonly SystemRow[]> {
    const table = this.#tableOf(kind);
    const asked = keys.flatMap((key) => {
      const known = this.#keyFrom(kind, table, key);
      return known === undefined ? [] : [{ key, known }];
    });
    const ask = async (some: readonly { readonly key: string; readonly known: Key }[]): Promise<SystemRow[]> => {
      const known = some.map((each) => each.known);
      const rows = await this.#reading(table, (found) => found.under(known, false));
      return [...rows].map(([at, row]) => ({ key: some[at]!.key, row }));
    };
    const found: SystemRow[] = [];
    const { keysAtOnce } = this.#dialect;
    for (let first = 0; first < asked.length; first += keysAtOnce)
      found.push(...(await underKeys(asked.slice(first, first + keysAtOnce), ask, isRejected)));
    return found;
  }

  async close(): Promise<void> {
    await this.#dialect.close();
  }

  async #reading<T>(table: Table, work: (rows: TableRows<Key>) => Promise<T>): Promise<T> {
    try {
      return await this.#dialect.reading((session) => work(this.#dialect.rowsOf(session, table)));
    } catch (error) {
      throw this.#dialect.tell(error, table);
    }
  }

  #keyFrom(kind: string, table: Table, key: string): Key | undefined {
    const columns = keyColumnsOf(this.#declared.get(kind)!.key, key);
    return columns === undefined ? undefined : this.#dialect.keyFrom(table, columns);
  }

  #noKey(kind: string, name: string, key: string): never {
    throw new TargetRejected(`${key} is no key of ${name} (${this.#declared.get(kind)!.key.join(', ')})`);
  }

  #tableOf(kind: string): Table {
    const table = this.#tables.get(kind);
    if (table === undefined) throw new Error(`the target was not opened for ${kind}`);
    return table;
  }
}

/** A key that is none of its column's type. */
function isRejected(error: unknown): boolean {
  return error instanceof TargetRejected;
}
