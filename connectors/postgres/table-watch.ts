import type { LogicalDatabase } from './logical-database.ts';
import { type LogicalShape, signaturesText } from './logical-shape.ts';

const freshMs = 5_000;

/** Notices that a table has another shape although nothing is written to it: one question for all tables, now and then. */
export class TableWatch {
  readonly #database: LogicalDatabase;
  readonly #nowMs: () => number;
  readonly #watched = new Map<string, LogicalShape>();
  readonly #known = new Map<string, string>();
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(database: LogicalDatabase, nowMs: () => number) {
    this.#database = database;
    this.#nowMs = nowMs;
  }

  /** Is false where the table is gone or another one. */
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
    return (this.#known.get(shape.name) ?? shape.signature) === shape.signature;
  }

  async #ask(): Promise<void> {
    const shapes = [...this.#watched.values()];
    const rows = await this.#database.query<{ schema: string; table: string; signature: string }>(signaturesText, [
      shapes.map(({ schema }) => schema),
      shapes.map(({ table }) => table),
    ]);
    const found = new Map(rows.map(({ schema, table, signature }) => [`${schema}\0${table}`, signature]));
    for (const { name, schema, table } of shapes) this.#known.set(name, found.get(`${schema}\0${table}`) ?? '');
    this.#askedAtMs = this.#nowMs();
  }
}
