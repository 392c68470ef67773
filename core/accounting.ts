import { type Outcome, outcomes } from './outcome.ts';
import type { PartitionRef } from './ports/event-log.ts';

/** How a processor names itself in `raw_outcomes`; a sync manager writes the canonical partition it counts for. */
export const countedByProcessor = 'processor';

export interface PartitionEnd extends PartitionRef {
  /** One past the last offset. */
  readonly end: number;
}

export interface ProcessorProgress extends PartitionRef {
  readonly nextOffset: number;
  readonly forwarded: number;
}

export interface SyncProgress extends PartitionRef {
  readonly nextOffset: number;
}

export interface OutcomeRow extends PartitionRef {
  readonly outcome: Outcome;
  readonly countedBy: string;
  readonly records: number;
}

export interface AccountingInput {
  /** Ends of the raw and the canonical partitions, read after the progress below: they may only be ahead of it. */
  readonly rawEnds: readonly PartitionEnd[];
  readonly canonicalEnds: readonly PartitionEnd[];
  readonly processors: readonly ProcessorProgress[];
  readonly syncManagers: readonly SyncProgress[];
  readonly outcomes: readonly OutcomeRow[];
}

export type OutcomeSums = Readonly<Record<Outcome, number>>;

export interface PartitionAccount extends PartitionRef {
  readonly received: number;
  readonly outcomes: OutcomeSums;
  /** On the raw topic, not yet read by a processor. */
  readonly waitingForProcessor: number;
  /** Sent on, not yet settled by a sync manager. */
  readonly waitingForSyncManager: number;
  readonly balanced: boolean;
  /** What does not add up, in words. */
  readonly faults: readonly string[];
}

export interface Account {
  readonly received: number;
  readonly outcomes: OutcomeSums;
  readonly inFlight: number;
  /** Nothing is in flight, so the sum is exact and not only possible. */
  readonly atRest: boolean;
  readonly balanced: boolean;
  readonly partitions: readonly PartitionAccount[];
}

/**
 * Invariant 6: received = the sum of the outcomes + in flight, for every raw partition. Each side is counted where it
 * happens: what the processors read must equal what they stopped and sent on, and what they sent on must equal what
 * the sync managers settled once nothing is left on the canonical topics, and never differ by more than is left there.
 */
export function accountOf(input: AccountingInput): Account {
  const canonicalLeft = lagOf(input.canonicalEnds, input.syncManagers);
  const processors = new Map(input.processors.map((progress) => [idOf(progress), progress]));
  const rows = Map.groupBy(input.outcomes, idOf);
  const partitions = input.rawEnds.map((end) =>
    partitionAccount(end, processors.get(idOf(end)), rows.get(idOf(end)) ?? [], canonicalLeft),
  );
  const inFlight = sum(partitions, (account) => account.waitingForProcessor + account.waitingForSyncManager);
  return {
    received: sum(partitions, (account) => account.received),
    outcomes: sumOutcomes(partitions.map((account) => account.outcomes)),
    inFlight,
    atRest: inFlight === 0 && canonicalLeft === 0,
    balanced: partitions.every((account) => account.balanced),
    partitions,
  };
}

/** How many records lie before whoever reads these partitions. */
export function lagOf(ends: readonly PartitionEnd[], progress: readonly SyncProgress[]): number {
  const next = new Map(progress.map((row) => [idOf(row), row.nextOffset]));
  return sum(ends, (end) => Math.max(0, end.end - (next.get(idOf(end)) ?? 0)));
}

function partitionAccount(
  end: PartitionEnd,
  progress: ProcessorProgress | undefined,
  rows: readonly OutcomeRow[],
  canonicalLeft: number,
): PartitionAccount {
  const read = progress?.nextOffset ?? 0;
  const forwarded = progress?.forwarded ?? 0;
  const stopped = sum(rows, (row) => (row.countedBy === countedByProcessor ? row.records : 0));
  const settled = sum(rows, (row) => (row.countedBy === countedByProcessor ? 0 : row.records));
  const faults: string[] = [];
  if (read > end.end) faults.push(`${read} records were read of ${end.end}`);
  if (stopped + forwarded !== read) faults.push(`of ${read} records read ${stopped} were stopped and ${forwarded} sent on`);
  if (settled > forwarded) faults.push(`${settled} records were settled of ${forwarded} sent on`);
  if (forwarded - settled > canonicalLeft) {
    faults.push(`${forwarded - settled} records sent on are not settled, but only ${canonicalLeft} are left to read`);
  }
  return {
    topic: end.topic,
    partition: end.partition,
    received: end.end,
    outcomes: sumOutcomes([
      Object.fromEntries(outcomes.map((name) => [name, sum(rows, (row) => (row.outcome === name ? row.records : 0))])),
    ]),
    waitingForProcessor: end.end - read,
    waitingForSyncManager: forwarded - settled,
    balanced: faults.length === 0,
    faults,
  };
}

function sumOutcomes(sums: readonly Partial<OutcomeSums>[]): OutcomeSums {
  return Object.fromEntries(outcomes.map((name) => [name, sum(sums, (one) => one[name] ?? 0)])) as Record<Outcome, number>;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function idOf(ref: PartitionRef): string {
  return `${ref.topic}/${ref.partition}`;
}
