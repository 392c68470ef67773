import { SyncError } from '../../core/errors.ts';
import { fieldOf, type JsonObject, parseExact } from '../../core/json.ts';
import { keyColumnsOf, keyTextOf } from '../../core/key-text.ts';
import type { SystemRange, SystemReader, SystemRow } from '../../core/ports/system-reader.ts';
import {
  type TargetChange,
  type TargetConnector,
  TargetRejected,
  type TargetResult,
  type TargetRow,
} from '../../core/ports/target-connector.ts';
import { asTargetError, faultOf } from './firebird-fault.ts';
import { type FirebirdPlace, nameOf } from './firebird-place.ts';
import { FirebirdPool } from './firebird-pool.ts';
import { RowAppeared, TargetBatch } from './target-batch.ts';
import { readTargetShape, type TableDeclaration, type TargetShape } from './target-shape.ts';

export interface FirebirdTargetOptions {
  readonly place: FirebirdPlace;
  readonly connectionsMax: number;
  readonly tables: readonly TableDeclaration[];
}

const repeatsMax = 12;

/** Tables of a Firebird database to which resolved records are written. */
export class FirebirdTarget implements TargetConnector, SystemReader {
  readonly #options: FirebirdTargetOptions;
  readonly #pool: FirebirdPool;
  #shapes: ReadonlyMap<string, TargetShape> = new Map();

  constructor(options: FirebirdTargetOptions) {
    this.#options = options;
    this.#pool = new FirebirdPool(options.place, options.connectionsMax);
  }

  async open(): Promise<void> {
    try {
      this.#shapes = await this.#pool.read(async (transaction) => {
        const shapes = new Map<string, TargetShape>();
        for (const table of this.#options.tables) shapes.set(table.kind, await readTargetShape(transaction, table));
        return shapes;
      });
    } catch (error) {
      throw asMisconfigured(asTargetError(error, nameOf(this.#options.place)));
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
        return await this.#pool.transact('write', (transaction) => this.#batch(shape, transaction).write(changes, keys));
      } catch (error) {
        const again = faultOf(error) === 'repeat' || error instanceof RowAppeared;
        // A row under another unique key is no race: it is still in the way when the same is tried again.
        if (again && attempt < (error instanceof RowAppeared ? 3 : repeatsMax)) continue;
        if (error instanceof RowAppeared) throw new TargetRejected(error.message, {}, error.cause);
        const advice = `; GRANT SELECT, INSERT, UPDATE, DELETE ON ${shape.name} to the user of the target`;
        throw asTargetError(error, shape.name, advice);
      }
    }
  }

  async readRange(kind: string, after: JsonObject | null, limit: number): Promise<SystemRange> {
    const shape = this.#shapeOf(kind);
    const texts = await this.#reading(shape, (batch) => batch.behind(after, limit));
    const rows = texts.map((text) => parseExact(text) as TargetRow);
    const last = rows.at(-1);
    const isLast = last === undefined || rows.length < limit;
    return {
      rows: rows.flatMap((row) => keyed(shape, row)),
      next: isLast ? null : Object.fromEntries(shape.key.map(({ name }) => [name, fieldOf(last, name)!])),
    };
  }

  async readKeys(kind: string, keys: readonly string[]): Promise<readonly SystemRow[]> {
    const shape = this.#shapeOf(kind);
    const found: SystemRow[] = [];
    for (const key of keys) {
      const columns = keyColumnsOf(
        shape.key.map(({ name }) => name),
        key,
      );
      if (columns === undefined) continue;
      try {
        const rows = await this.#reading(shape, (batch) => batch.rowsAt([columns], false));
        found.push(...[...rows.values()].flatMap((row) => keyed(shape, row)));
      } catch (error) {
        // A key that is none of the column's type has no row.
        if (!(error instanceof TargetRejected)) throw error;
      }
    }
    return found;
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #batch(shape: TargetShape, transaction: ConstructorParameters<typeof TargetBatch>[1]): TargetBatch {
    return new TargetBatch(shape, transaction, this.#options.place.characterSet);
  }

  async #reading<T>(shape: TargetShape, work: (batch: TargetBatch) => Promise<T>): Promise<T> {
    try {
      return await this.#pool.read((transaction) => work(this.#batch(shape, transaction)));
    } catch (error) {
      throw asTargetError(error, shape.name);
    }
  }

  #shapeOf(kind: string): TargetShape {
    const shape = this.#shapes.get(kind);
    if (shape === undefined) throw new Error(`the target was not opened for ${kind}`);
    return shape;
  }
}

/** What a source calls misconfigured is so for a target, too. */
function asMisconfigured(error: Error): Error {
  if (!(error instanceof SyncError) || error.code !== 'source.misconfigured') return error;
  return new SyncError('target.misconfigured', error.message, { cause: error });
}

function keyed(shape: TargetShape, row: TargetRow): SystemRow[] {
  const key = keyTextOf(
    shape.key.map(({ name }) => name),
    row,
  );
  return key === undefined ? [] : [{ key, row }];
}

function keyOrRejected(shape: TargetShape, key: string): JsonObject {
  const names = shape.key.map(({ name }) => name);
  const columns = keyColumnsOf(names, key);
  if (columns !== undefined) return columns;
  throw new TargetRejected(`the key ${key} has not the ${names.length} parts of ${shape.name}'s key (${names.join(', ')})`);
}
