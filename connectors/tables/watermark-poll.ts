import type { SourceChange } from '../../core/ports/source-connector.ts';
import type { TableReader, TableRow, WatermarkBound } from '../../core/ports/table-reader.ts';
import { changeOf, identifyRow, type TableVoice } from './row-identity.ts';

export interface PollOptions {
  readonly voice: TableVoice;
  readonly reader: TableReader;
  readonly overlapMs: number;
  readonly batchRowsMax: number;
  orderOf(page: number): string;
  nowMs(): number;
}

export interface PollStart {
  /** Where an earlier reading broke off. */
  readonly cursor: WatermarkBound | null;
  /** The highest seen; without a key it was not read itself. Null: there was none. */
  readonly high: WatermarkBound | null;
  /** When something new was seen last. */
  readonly freshAtMs: number;
}

export interface PollPage {
  readonly changes: readonly SourceChange[];
  readonly cursor: WatermarkBound;
}

const pageBytesMax = 8_000_000;
const firstPageRows = 100;
const recentMax = 100_000;
/** After so many overlaps without anything new the same rows are not asked for again. */
const overlapsUntilQuiet = 2;

/**
 * Rows whose watermark has risen. Each reading begins a while before the highest watermark seen, because rows that were
 * written earlier may be committed later; what was told in that while already is not told again.
 */
export class RecentRows {
  #known = new Map<string, string>();

  async *poll(start: PollStart, options: PollOptions): AsyncGenerator<PollPage> {
    const { voice, reader, nowMs, orderOf } = options;
    const seen = new Map<string, string>();
    let from = await this.#from(start, options);
    let rowBytes: number | undefined;
    for (let page = 0; ; page++) {
      const limit = Math.max(2, Math.min(options.batchRowsMax, rowBytes === undefined ? firstPageRows : pageBytesMax / rowBytes));
      const rows: readonly TableRow[] = await reader.rowsSince(voice.shape, from, Math.floor(limit));
      const last = rows.at(-1);
      if (last === undefined) break;
      const changes: SourceChange[] = [];
      for (const row of rows) {
        const identified = identifyRow(voice.shape, row);
        const { key, digest } = identified;
        if (this.#known.get(key) !== digest && seen.get(key) !== digest)
          changes.push(changeOf(voice, identified, 'update', orderOf(page), nowMs()));
        if (seen.size < recentMax || seen.has(key)) seen.set(key, digest);
      }
      from = { watermark: last.watermark!, key: last.bound };
      rowBytes = Math.max(1, rows.reduce((sum, { text }) => sum + text.length, 0) / rows.length);
      yield { changes, cursor: from };
      if (rows.length < Math.floor(limit)) break;
    }
    this.#known = seen;
  }

  async #from({ cursor, high, freshAtMs }: PollStart, options: PollOptions): Promise<WatermarkBound | null> {
    if (cursor !== null || high === null) return cursor;
    const isQuiet = options.nowMs() - freshAtMs > options.overlapMs * overlapsUntilQuiet;
    if (high.key !== null && isQuiet) return high;
    const watermark = await options.reader.watermarkBefore(options.voice.shape, high.watermark, options.overlapMs);
    return { watermark, key: null };
  }
}
