import type { JsonObject } from '../../core/json.ts';
import type { TableDeclaration } from '../tables/table-declaration.ts';
import { type TableDialect, TableTarget } from '../tables/table-target.ts';
import { asTargetError, duplicateIndexOf, faultOf } from './mysql-fault.ts';
import { nameOf } from './mysql-place.ts';
import type { MysqlPool } from './mysql-pool.ts';
import type { MysqlSession } from './mysql-session.ts';
import { keyLiterals } from './table-statements.ts';
import { type MysqlKey, TargetRows } from './target-rows.ts';
import { findTargetTable, type TargetTable } from './target-table.ts';

/** Tables of a MySQL or MariaDB database as a target, which can be read back. */
export class MysqlTarget extends TableTarget<TargetTable, MysqlKey, MysqlSession> {
  constructor(pool: MysqlPool, tables: readonly TableDeclaration[]) {
    super(new MysqlDialect(pool), tables);
  }
}

class MysqlDialect implements TableDialect<TargetTable, MysqlKey, MysqlSession> {
  readonly repeatsMax = 5;
  readonly keysAtOnce = Number.POSITIVE_INFINITY;
  readonly #pool: MysqlPool;

  constructor(pool: MysqlPool) {
    this.#pool = pool;
  }

  find(session: MysqlSession, declaration: TableDeclaration): Promise<TargetTable> {
    return findTargetTable(session, declaration, this.#pool.place.database);
  }

  nameOf({ relation }: TargetTable): string {
    return relation.name;
  }

  keyFrom({ key }: TargetTable, columns: JsonObject): MysqlKey | undefined {
    const literals = keyLiterals(
      key,
      key.map(({ name }) => String(columns[name])),
    );
    return literals === undefined ? undefined : { literals, columns };
  }

  rowsOf(session: MysqlSession, table: TargetTable): TargetRows {
    return new TargetRows(session, table);
  }

  reading<T>(work: (session: MysqlSession) => Promise<T>): Promise<T> {
    return this.#pool.use(work);
  }

  writing<T>(work: (session: MysqlSession) => Promise<T>): Promise<T> {
    return this.#pool.transact('write', work);
  }

  isInTheWay(error: unknown, { keyIndex }: TargetTable): boolean {
    return faultOf(error) === 'repeat' || duplicateIndexOf(error) === keyIndex;
  }

  tell(error: unknown, table: TargetTable | null): Error {
    return asTargetError(error, table?.relation.name ?? nameOf(this.#pool.place));
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}
