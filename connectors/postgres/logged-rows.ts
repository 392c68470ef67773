import { isSyncError, type SyncError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { keyTextOf } from '../../core/key-text.ts';
import type { LogPlace } from './logical-place.ts';
import type { LogicalShape } from './logical-shape.ts';
import type { Relation, Tuple } from './pgoutput.ts';
import { type Cell, cellOf } from './pgoutput-cell.ts';

/** A change as the log tells it. */
export interface LoggedChange extends LogPlace {
  readonly operation: 'create' | 'update' | 'delete';
  /** Undefined where the row has none. */
  readonly key: string | undefined;
  readonly committedAtMs: number;
  readonly data: JsonObject | null;
  /** The row as far as the log holds it, its key at least. */
  readonly keyed: JsonObject;
  /** The log does not hold all of the row: it has to be read. */
  readonly isPartial: boolean;
  readonly fault: SyncError | undefined;
  readonly bytes: number;
}

interface ReadRow {
  readonly key: string | undefined;
  readonly data: JsonObject;
  readonly isPartial: boolean;
  readonly fault: SyncError | undefined;
}

interface PlannedColumn {
  readonly name: string;
  readonly cell: Cell;
  readonly isKey: boolean;
}

/** Makes rows of what the log holds of one table, in the shape in which the table's rows are read. */
export class LoggedRows {
  readonly #shape: LogicalShape;
  /** Null: not read. */
  readonly #columns: readonly (PlannedColumn | null)[];
  /** Columns that never stand in the log, as those the database computes. */
  readonly #isAlwaysPartial: boolean;

  constructor(shape: LogicalShape, relation: Relation) {
    const read = new Set(shape.columns.map(({ name }) => name));
    this.#shape = shape;
    this.#columns = relation.columns.map(({ name }) =>
      read.has(name) ? { name, cell: cellOf(shape.cells.get(name)!), isKey: shape.key.includes(name) } : null,
    );
    const logged = new Set(relation.columns.map(({ name }) => name));
    this.#isAlwaysPartial = shape.columns.some(({ name }) => !logged.has(name));
  }

  /** Whether the relation is the table as it is known: nothing new in it, no type another one. */
  static fits(shape: LogicalShape, relation: Relation): boolean {
    return relation.columns.every(({ name, typeOid }) => shape.cells.get(name)?.typeOid === typeOid);
  }

  changesOf(old: Tuple | null, row: Tuple | null): (ReadRow & Pick<LoggedChange, 'operation'>)[] {
    if (row === null) return [{ ...this.#read(old!, null), operation: 'delete' }];
    const now = this.#read(row, old);
    if (old === null) return [{ ...now, operation: 'update' }];
    const before = this.#read(old, null);
    if (before.key === now.key) return [{ ...now, operation: 'update' }];
    return [
      { ...before, operation: 'delete' },
      { ...now, operation: 'create' },
    ];
  }

  insertOf(row: Tuple): ReadRow & Pick<LoggedChange, 'operation'> {
    return { ...this.#read(row, null), operation: 'create' };
  }

  #read(row: Tuple, old: Tuple | null): ReadRow {
    const data: JsonObject = {};
    let isPartial = this.#isAlwaysPartial;
    let fault: SyncError | undefined;
    for (const [at, column] of this.#columns.entries()) {
      if (column === null) continue;
      // A long value that did not change stands in the old row where all of it is logged.
      const text = row[at] === undefined ? old?.[at] : row[at];
      if (text === undefined || (text === null && row[at] === undefined)) isPartial = true;
      else if (text === null) data[column.name] = null;
      else
        try {
          data[column.name] = column.cell(text);
        } catch (error) {
          if (!isSyncError(error)) throw error;
          fault = error;
        }
    }
    return { key: keyTextOf(this.#shape.key, data), data, isPartial, fault };
  }
}
