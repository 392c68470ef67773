import type pg from 'pg';
import type { TableKey } from '../tables/table-batch.ts';
import type { TableDeclaration } from '../tables/table-declaration.ts';
import { type TableDialect, TableTarget } from '../tables/table-target.ts';
import { type PostgresPlace, PostgresPool } from './postgres-pool.ts';
import { readTableShape, type TableShape } from './table-shape.ts';
import { asTargetError, targetFaultOf } from './target-fault.ts';
import { TargetRows } from './target-rows.ts';

export interface PostgresTargetOptions extends PostgresPlace {
  readonly tables: readonly TableDeclaration[];
}

/** Tables of a PostgreSQL database as a target, which can be read back. */
export class PostgresTarget extends TableTarget<TableShape, TableKey, pg.ClientBase> {
  constructor({ tables, ...place }: PostgresTargetOptions) {
    super(new PostgresDialect(new PostgresPool(place)), tables);
  }
}

class PostgresDialect implements TableDialect<TableShape, TableKey, pg.ClientBase> {
  readonly repeatsMax = 5;
  readonly keysAtOnce = Number.POSITIVE_INFINITY;
  readonly #pool: PostgresPool;
  readonly #begin: string;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
    // Times as UTC, whatever the database prefers.
    this.#begin = `BEGIN; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL IntervalStyle = 'iso_8601';
      SET LOCAL idle_in_transaction_session_timeout = ${Math.ceil(pool.place.timeoutMs)}`;
  }

  find(client: pg.ClientBase, declaration: TableDeclaration): Promise<TableShape> {
    return readTableShape(client, declaration);
  }

  nameOf({ name }: TableShape): string {
    return name;
  }

  keyFrom(_shape: TableShape, columns: TableKey['columns']): TableKey {
    return { columns };
  }

  rowsOf(client: pg.ClientBase, shape: TableShape): TargetRows {
    return new TargetRows(client, shape);
  }

  reading<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    return this.#pool.transact(this.#begin, work);
  }

  writing<T>(work: (client: pg.ClientBase) => Promise<T>): Promise<T> {
    return this.#pool.transact(this.#begin, work);
  }

  isInTheWay(error: unknown): boolean {
    return targetFaultOf(error) === 'repeat';
  }

  tell(error: unknown, shape: TableShape | null): Error {
    return asTargetError(error, shape?.name ?? null);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
