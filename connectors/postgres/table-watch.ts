import { SyncError } from '../../core/errors.ts';
import type { LogicalDatabase } from './logical-database.ts';
import { publishedTables } from './logical-publication.ts';
import { type LogicalShape, signaturesText } from './logical-shape.ts';

const freshMs = 5_000;

/**
 * Notices that a table has another shape although nothing is written to it, and that nobody publishes it any more: one
 * question for all tables, now and then.
 */
export class TableWatch {
  readonly #database: LogicalDatabase;
  readonly #publication: string;
  readonly #nowMs: () => number;
  readonly #watched = new Map<string, LogicalShape>();
  readonly #known = new Map<string, string>();
  #published: ReadonlySet<string> | undefined;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(database: LogicalDatabase, publication: string, nowMs: () => number) {
    this.#database = database;
    this.#publication = publication;
    this.#nowMs = nowMs;
  }

  /** Is false where the table is gone or another one. Throws where its changes are in nobody's log any more. */
  async isAsKnown(shape: LogicalShape): Promise<boolean> {
    const isNew = this.#watched.get(shape.name) !== shape;
    this.#watched.set(shape.name, shape);
    if (isNew) this.#known.set(shape.name, shape.signature);
    if (this.#nowMs() - this.#askedAtMs >= freshMs) {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
    }
    if (!isNew && this.#published?.has(placeOf(shape)) === false) {
      throw new SyncError('source.position-lost', `the publication ${this.#publication} left ${shape.name} out for a while`);
    }
    return (this.#known.get(shape.name) ?? shape.signature) === shape.signature;
  }

  async #ask(): Promise<void> {
    const shapes = [...this.#watched.values()];
    const rows = await this.#database.query<{ schema: string; table: string; signature: string }>(signaturesText, [
      shapes.map(({ schema }) => schema),
      shapes.map(({ table }) => table),
    ]);
    const found = new Map(rows.map((row) => [placeOf(row), row.signature]));
    for (const shape of shapes) this.#known.set(shape.name, found.get(placeOf(shape)) ?? '');
    this.#published = new Set((await publishedTables(this.#database, this.#publication)).map(placeOf));
    this.#askedAtMs = this.#nowMs();
  }
}

function placeOf({ schema, table }: { readonly schema: string; readonly table: string }): string {
  return `${schema}\0${table}`;
}
