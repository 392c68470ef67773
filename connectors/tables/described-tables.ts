import { SyncError } from '../../core/errors.ts';
import type { TableShape } from '../../core/ports/table-reader.ts';

/** Keys without an index over them are looked through again after so long. */
const keyCheckEveryMs = 3_600_000;

/** The tables a reader has described, each with what its dialect knows of it. */
export class DescribedTables<Table> {
  readonly #tables = new Map<string, Table>();
  readonly #checkedAtMs = new Map<string, number>();

  /** `checkKey` rejects where the key does not tell the rows apart. */
  async add(shape: TableShape, table: Table, checkKey: () => Promise<void>): Promise<TableShape> {
    const id = shapeId(shape);
    if (performance.now() - (this.#checkedAtMs.get(id) ?? Number.NEGATIVE_INFINITY) > keyCheckEveryMs) {
      await checkKey();
      this.#checkedAtMs.set(id, performance.now());
    }
    this.#tables.set(id, table);
    return shape;
  }

  of(shape: TableShape): Table {
    const table = this.#tables.get(shapeId(shape));
    if (table === undefined) throw new SyncError('source.unavailable', `${shape.name} has not been described yet`);
    return table;
  }
}

export function shapeId({ name, key, columns, watermark }: TableShape): string {
  return JSON.stringify([name, key, columns, watermark]);
}
