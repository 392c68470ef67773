import type { KeyBound, KeyRange, TableRow } from '../../core/ports/table-reader.ts';

type Rows = readonly TableRow[];
export type Ask = (range: KeyRange, limit: number) => Promise<Rows>;

interface Ahead {
  readonly after: string;
  readonly limit: number;
  readonly rows: Promise<Rows | null>;
}

/**
 * Who asks for one page nearly always asks for the next: the database reads it while the first is looked at. A page that
 * turns out to be another one is asked for anew. One of these belongs to one table and its columns.
 */
export class ReadAhead {
  readonly #ask: Ask;
  #ahead: Ahead | null = null;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async rows(range: KeyRange, limit: number): Promise<Rows> {
    const rows = (await this.#taken(range, limit)) ?? (await this.#ask(range, limit));
    const last = rows.at(-1);
    // Behind a page that was not full nothing is to come, unless it ended at a bound.
    if (last === undefined || (rows.length < limit && range.upTo === null)) return rows;
    // Pages that end at a bound are about as long as the one before.
    const next = range.upTo === null ? limit : Math.min(limit, Math.ceil(rows.length * 1.05) + 1);
    this.#begin(last.bound, next);
    return rows;
  }

  /** What was read ahead is too old. Resolves when nothing is under way. */
  async forget(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = null;
    await ahead?.rows;
  }

  #begin(after: KeyBound, limit: number): void {
    const rows = this.#ask({ after, upTo: null }, limit).catch(() => null);
    this.#ahead = { after: idOf(after), limit, rows };
  }

  async #taken({ after, upTo }: KeyRange, limit: number): Promise<Rows | null> {
    const ahead = this.#ahead;
    this.#ahead = null;
    if (ahead === null) return null;
    // Waited for in any case: a later page must not show an earlier moment, and sessions are few.
    const rows = await ahead.rows;
    if (rows === null || after === null || ahead.after !== idOf(after)) return null;
    if (upTo === null) return limit === ahead.limit ? rows : null;
    const wanted = idOf(upTo);
    // Only the database compares keys: the bound has to be met as it is.
    const end = rows.findIndex(({ bound }) => idOf(bound) === wanted);
    return end < 0 || end >= limit ? null : rows.slice(0, end + 1);
  }
}

function idOf(bound: KeyBound): string {
  return bound.length === 1 ? bound[0]! : JSON.stringify(bound);
}
