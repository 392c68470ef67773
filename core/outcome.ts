/**
 * Invariant 6: every raw record ends in exactly one outcome, and
 * received = applied + unchanged + duplicate + stale + superseded + echo + conflicted + filtered + dead-lettered + in flight.
 */
export const outcomes = [
  /** It changed the state. */
  'applied',
  /** The state was so already. */
  'unchanged',
  /** The same event stood there, brought by another raw record. */
  'duplicate',
  /** A later position of the same source was there first. */
  'stale',
  /** A replayed dead letter whose entity has moved on since. */
  'superseded',
  /** Our own write coming back. */
  'echo',
  /** It waits in an open conflict. */
  'conflicted',
  /** A control record, or a change the configuration leaves out. */
  'filtered',
  /** It stands among the dead letters with its reason. */
  'dead-lettered',
] as const;

export type Outcome = (typeof outcomes)[number];

export interface OutcomeCount {
  readonly topic: string;
  readonly partition: number;
  readonly outcome: Outcome;
  readonly count: number;
}

/** What PostgreSQL's `source_events.status` may hold. */
export type EventStatus = 'applied' | 'unchanged' | 'stale' | 'superseded' | 'echo' | 'conflicted';
