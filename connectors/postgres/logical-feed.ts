import type { LoggedChange } from './logged-rows.ts';
import { isBehind, type LogPlace } from './logical-place.ts';
import type { LogicalShape } from './logical-shape.ts';
import type { Lsn } from './pgoutput.ts';

/**
 * shape     the table is not as it was described
 * truncate  it was emptied: what is gone has to be found out
 */
export type FeedInterrupt = 'shape' | 'truncate';

export interface FeedBatch {
  readonly changes: readonly LoggedChange[];
  /** Everything up to here has been told. */
  readonly place: LogPlace;
  /** What comes behind the changes; the feed says nothing more after it. */
  readonly interrupt: FeedInterrupt | null;
}

/** What a feed asks of the reader that fills it. */
export interface FeedSource {
  /** Everything that was committed before has been handed to the feeds; null while a transaction is being read. */
  progress(): Lsn | null;
  drained(bytes: number): void;
  closed(feed: TableFeed): void;
}

/** The changes of one table on their way from the log to whoever sends them. */
export class TableFeed {
  readonly shape: LogicalShape;
  /** Commits from here on are not told. */
  readonly until: Lsn | null;
  readonly #source: FeedSource;
  #queued: LogPlace;
  #taken: LogPlace;
  #changes: LoggedChange[] = [];
  #first = 0;
  #interrupt: FeedInterrupt | null = null;
  #error: unknown;
  #wake: () => void = () => undefined;

  constructor(shape: LogicalShape, from: LogPlace, until: Lsn | null, source: FeedSource) {
    this.shape = shape;
    this.until = until;
    this.#queued = from;
    this.#taken = from;
    this.#source = source;
  }

  /** Up to where it has been filled: what comes again is not wanted. */
  get queued(): LogPlace {
    return this.#queued;
  }

  wants(lsn: Lsn, seq: number): boolean {
    return this.#interrupt === null && isBehind(this.#queued, lsn, seq) && (this.until === null || lsn < this.until);
  }

  push(change: LoggedChange): void {
    if (!this.wants(change.lsn, change.seq)) return;
    this.#queued = change;
    this.#changes.push(change);
    if (this.#changes.length - this.#first === 1) this.#wake();
  }

  interrupt(reason: FeedInterrupt): void {
    this.#interrupt ??= reason;
    this.#wake();
  }

  fail(error: unknown): void {
    this.#error ??= error;
    this.#wake();
  }

  /** The reader has made progress where somebody waits for it. */
  nudge(): void {
    if (this.until !== null) this.#wake();
  }

  /** What there is, up to so many; waits a while for the first. Rejects when the log can no longer be read. */
  async next(changesMax: number, bytesMax: number, waitMs: number, signal: AbortSignal): Promise<FeedBatch> {
    if (!this.#hasSomething() && !signal.aborted) await this.#something(waitMs, signal);
    signal.throwIfAborted();
    const changes = this.#take(changesMax, bytesMax);
    if (changes.length === 0 && this.#error !== undefined) throw this.#error;
    const isEmpty = this.#first === this.#changes.length;
    const progress = isEmpty && this.#interrupt === null ? this.#source.progress() : null;
    const last = changes.at(-1);
    if (last !== undefined) this.#taken = { lsn: last.lsn, seq: last.seq };
    if (progress !== null && isBehind(this.#taken, progress, 0)) this.#taken = { lsn: progress, seq: 0 };
    return { changes, place: this.#taken, interrupt: isEmpty ? this.#interrupt : null };
  }

  close(): void {
    this.#source.drained(sizeOf(this.#changes.slice(this.#first)));
    this.#changes = [];
    this.#first = 0;
    this.#source.closed(this);
  }

  #hasSomething(): boolean {
    if (this.#first < this.#changes.length || this.#interrupt !== null || this.#error !== undefined) return true;
    const progress = this.#source.progress();
    return this.until !== null && progress !== null && progress >= this.until;
  }

  #something(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = () => undefined;
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      signal.addEventListener('abort', done);
      this.#wake = done;
    });
  }

  #take(changesMax: number, bytesMax: number): LoggedChange[] {
    let end = this.#first;
    let bytes = 0;
    while (end < this.#changes.length && end - this.#first < changesMax && bytes < bytesMax) bytes += this.#changes[end++]!.bytes;
    const taken = this.#changes.slice(this.#first, end);
    this.#first = end;
    if (end === this.#changes.length) {
      this.#changes = [];
      this.#first = 0;
    } else if (end > 10_000) {
      this.#changes = this.#changes.slice(end);
      this.#first = 0;
    }
    if (bytes > 0) this.#source.drained(bytes);
    return taken;
  }
}

function sizeOf(changes: readonly LoggedChange[]): number {
  return changes.reduce((sum, { bytes }) => sum + bytes, 0);
}
