import type { PartitionRef } from '../../core/ports/event-log.ts';
import type { EntryClaim } from '../../core/ports/stage-ledger.ts';
import type { RefusedChange } from '../../core/refused-change.ts';

/** The table of changes that may be replayed. */
export class RefusedRows {
  readonly #rows = new Map<string, RefusedChange>();
  readonly #closed = new Set<string>();

  keep(refused: readonly RefusedChange[]): void {
    for (const change of refused) {
      if (change.position !== null || !this.#rows.has(change.letterId)) this.#rows.set(change.letterId, change);
    }
  }

  /** The letter will not be replayed any more. */
  close(letterId: string): void {
    this.#closed.add(letterId);
  }

  /** Whether a replay could still put something newer than the claim's change into the tables. */
  holdBack({ topic, partition }: PartitionRef, { key, position }: EntryClaim): boolean {
    return [...this.#rows.values()].some((row) => {
      if (row.topic !== topic || row.partition !== partition || row.key !== key) return false;
      return row.position === null ? !this.#closed.has(row.letterId) : row.position > position;
    });
  }
}
