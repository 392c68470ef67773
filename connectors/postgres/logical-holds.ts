import type { Lsn } from './pgoutput.ts';

interface Hold {
  /** Null: not known, so nothing may be forgotten. */
  lsn: Lsn | null;
  /** Since when the table is not being read. */
  absentSinceMs: number | null;
}

/**
 * What the slot has to keep, for tables that are read at different places. A table that is not read keeps it for a while
 * and then no longer, so that one that waits for somebody does not fill the server's disk: it is read anew when it comes back.
 */
export class SlotHolds {
  readonly #holds: Map<string, Hold>;
  readonly #patienceMs: number;
  readonly #nowMs: () => number;
  #confirmed: Lsn | null = null;

  constructor(kinds: readonly string[], patienceMs: number, nowMs: () => number) {
    this.#holds = new Map(kinds.map((kind) => [kind, { lsn: null, absentSinceMs: nowMs() }]));
    this.#patienceMs = patienceMs;
    this.#nowMs = nowMs;
  }

  /** It is read from here on; null: it will say where. */
  begun(kind: string, lsn: Lsn | null): void {
    this.#holds.set(kind, { lsn, absentSinceMs: null });
  }

  acknowledged(kind: string, lsn: Lsn): void {
    const hold = this.#holds.get(kind)!;
    if (hold.lsn === null || hold.lsn < lsn) hold.lsn = lsn;
  }

  left(kind: string): void {
    this.#holds.get(kind)!.absentSinceMs ??= this.#nowMs();
  }

  get confirmed(): Lsn | null {
    return this.#confirmed;
  }

  /** Up to where nobody needs the log any more. */
  confirmable(): Lsn | null {
    let lowest: Lsn | undefined;
    for (const { lsn, absentSinceMs } of this.#holds.values()) {
      if (absentSinceMs !== null && this.#nowMs() - absentSinceMs >= this.#patienceMs) continue;
      if (lsn === null) return this.#confirmed;
      if (lowest === undefined || lsn < lowest) lowest = lsn;
    }
    if (lowest !== undefined && (this.#confirmed === null || lowest > this.#confirmed)) this.#confirmed = lowest;
    return this.#confirmed;
  }
}
