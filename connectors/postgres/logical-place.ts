import type { Lsn } from './pgoutput.ts';

/**
 * How far a table has been read: all of the transactions that committed before `lsn`, and of the one that committed
 * there what comes up to `seq`.
 */
export interface LogPlace {
  readonly lsn: Lsn;
  readonly seq: number;
}

export function isBehind(place: LogPlace, lsn: Lsn, seq: number): boolean {
  return lsn > place.lsn || (lsn === place.lsn && seq > place.seq);
}

/** Commits decide, and within a transaction the table's own count, which is the same however often it is read. */
export function orderAt({ lsn, seq }: LogPlace): string {
  return `${lsn}-${seq.toString(16).padStart(8, '0')}`;
}
