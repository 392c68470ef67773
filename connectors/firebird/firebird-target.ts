import { SyncError } from '../../core/errors.ts';
import type { TableKey } from '../tables/table-batch.ts';
import type { TableDeclaration } from '../tables/table-declaration.ts';
import { type TableDialect, TableTarget } from '../tables/table-target.ts';
import { asTargetError, faultOf } from './firebird-fault.ts';
import { type FirebirdPlace, nameOf } from './firebird-place.ts';
import { FirebirdPool } from './firebird-pool.ts';
import type { FirebirdTransaction } from './firebird-session.ts';
import { TargetRows } from './target-rows.ts';
import { readTargetShape, type TargetShape } from './target-shape.ts';

export interface FirebirdTargetOptions {
  readonly place: FirebirdPlace;
  readonly connectionsMax: number;
  readonly tables: readonly TableDeclaration[];
}

/** Tables of a Firebird database as a target, which can be read back. */
export class FirebirdTarget extends TableTarget<TargetShape, TableKey, FirebirdTransaction> {
  constructor({ place, connectionsMax, tables }: FirebirdTargetOptions) {
    super(new FirebirdDialect(place, connectionsMax), tables);
  }
}

class FirebirdDialect implements TableDialect<TargetShape, TableKey, FirebirdTransaction> {
  /** Who waits for a row that others have changed is refused, and only then sees what they made of it. */
  readonly repeatsMax = 12;
  /** A key that is written in another way finds its row only where it is asked for alone. */
  readonly keysAtOnce = 1;
  readonly #place: FirebirdPlace;
  readonly #pool: FirebirdPool;

  constructor(place: FirebirdPlace, connectionsMax: number) {
    this.#place = place;
    this.#pool = new FirebirdPool(place, connectionsMax);
  }

  find(transaction: FirebirdTransaction, declaration: TableDeclaration): Promise<TargetShape> {
    return readTargetShape(transaction, declaration);
  }

  nameOf({ name }: TargetShape): string {
    return name;
  }

  keyFrom(_shape: TargetShape, columns: TableKey['columns']): TableKey {
    return { columns };
  }

  rowsOf(transaction: FirebirdTransaction, shape: TargetShape): TargetRows {
    return new TargetRows(transaction, shape, this.#place.characterSet);
  }

  reading<T>(work: (transaction: FirebirdTransaction) => Promise<T>): Promise<T> {
    return this.#pool.read(work);
  }

  writing<T>(work: (transaction: FirebirdTransaction) => Promise<T>): Promise<T> {
    return this.#pool.transact('write', work);
  }

  isInTheWay(error: unknown): boolean {
    return faultOf(error) === 'repeat';
  }

  tell(error: unknown, shape: TargetShape | null): Error {
    if (shape === null) return asMisconfigured(asTargetError(error, nameOf(this.#place)));
    const advice = `; GRANT SELECT, INSERT, UPDATE, DELETE ON ${shape.name} to the user of the target`;
    return asTargetError(error, shape.name, advice);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

/** What a source calls misconfigured is so for a target, too. */
function asMisconfigured(error: Error): Error {
  if (!(error instanceof SyncError) || error.code !== 'source.misconfigured') return error;
  return new SyncError('target.misconfigured', error.message, { cause: error });
}
