import type { Outcome } from '../../core/outcome.ts';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import type { EntryClaim, ProcessorLease, RangeOutcome, StageLedger } from '../../core/ports/stage-ledger.ts';
import { atOnce, type Pace, partitionName } from './pace.ts';
import { RefusedRows } from './refused-rows.ts';

interface Progress {
  token: number;
  nextOffset: number;
  claimedThrough: number;
  stoppedAhead: readonly number[];
  era: string;
  configId: string;
  forwarded: number;
  readonly stopped: Map<Outcome, number>;
}

/** Whether an entry's change is stored and nothing older is on its way. */
export type Proof = (origin: PartitionRef, sourceType: string, claim: EntryClaim) => boolean;

/** The rows of PostgreSQL, shared by every process. */
export class LedgerRows {
  /** Both stages write into it, so the sync manager's rows share theirs. */
  readonly refused: RefusedRows;
  readonly #rows = new Map<string, Progress>();
  #eras = 0;

  constructor(refused = new RefusedRows()) {
    this.refused = refused;
  }

  rowOf(ref: PartitionRef): Progress | undefined {
    return this.#rows.get(partitionName(ref));
  }

  insert(ref: PartitionRef, row: Progress): void {
    this.#rows.set(partitionName(ref), row);
  }

  newEra(): string {
    return `era-${++this.#eras}`;
  }

  /** How many records of the partition were sent on, and what was stopped. */
  countsOf(ref: PartitionRef): { forwarded: number; stopped: ReadonlyMap<Outcome, number>; nextOffset: number } {
    return this.rowOf(ref) ?? { forwarded: 0, stopped: new Map(), nextOffset: 0 };
  }
}

export class MemoryStageLedger implements StageLedger {
  readonly #rows: LedgerRows;
  readonly #proof: Proof;
  readonly #pace: Pace;

  constructor(rows: LedgerRows, proof: Proof, pace: Pace = atOnce) {
    this.#rows = rows;
    this.#proof = proof;
    this.#pace = pace;
  }

  acquire(ref: PartitionRef, configId: string): Promise<ProcessorLease> {
    return this.#pace('ledger.acquire', () => {
      const row = this.#rows.rowOf(ref) ?? this.#firstRow(ref, configId);
      row.token++;
      if (row.configId !== configId) {
        row.configId = configId;
        row.era = this.#rows.newEra();
      }
      return leaseOf(ref, row);
    });
  }

  beginEra(lease: ProcessorLease): Promise<ProcessorLease | null> {
    return this.#pace('ledger.beginEra', () =>
      this.#change(lease, (row) => {
        row.era = this.#rows.newEra();
      }),
    );
  }

  claim(lease: ProcessorLease, through: number, stopped: readonly number[]): Promise<ProcessorLease | null> {
    return this.#pace('ledger.claim', () =>
      this.#change(lease, (row) => {
        row.claimedThrough = Math.max(row.claimedThrough, through);
        row.stoppedAhead = [...row.stoppedAhead, ...stopped];
      }),
    );
  }

  proves(origin: PartitionRef, sourceType: string, claims: readonly EntryClaim[]): Promise<readonly boolean[]> {
    return this.#pace('ledger.proves', () =>
      claims.map((claim) => this.#proof(origin, sourceType, claim) && !this.#rows.refused.holdBack(origin, claim)),
    );
  }

  settle(lease: ProcessorLease, through: number, outcome: RangeOutcome): Promise<ProcessorLease | null> {
    return this.#pace('ledger.settle', () => {
      if (this.#rows.rowOf(lease)?.nextOffset !== lease.nextOffset) return null;
      return this.#change(lease, (row) => {
        row.nextOffset = through;
        row.stoppedAhead = row.stoppedAhead.filter((offset) => offset >= through);
        row.forwarded += outcome.forwarded;
        this.#rows.refused.keep(outcome.refused ?? []);
        for (const [name, records] of Object.entries(outcome.stopped) as [Outcome, number][]) {
          row.stopped.set(name, (row.stopped.get(name) ?? 0) + records);
        }
      });
    });
  }

  #firstRow(ref: PartitionRef, configId: string): Progress {
    const row: Progress = {
      token: 0,
      nextOffset: 0,
      claimedThrough: 0,
      stoppedAhead: [],
      era: this.#rows.newEra(),
      configId,
      forwarded: 0,
      stopped: new Map(),
    };
    this.#rows.insert(ref, row);
    return row;
  }

  #change(lease: ProcessorLease, change: (row: Progress) => void): ProcessorLease | null {
    const row = this.#rows.rowOf(lease);
    if (row === undefined || row.token !== lease.token) return null;
    change(row);
    return leaseOf(lease, row);
  }
}

function leaseOf(ref: PartitionRef, row: Progress): ProcessorLease {
  return {
    topic: ref.topic,
    partition: ref.partition,
    token: row.token,
    previousToken: row.token - 1,
    nextOffset: row.nextOffset,
    claimedThrough: row.claimedThrough,
    stoppedAhead: row.stoppedAhead,
    era: row.era,
  };
}
