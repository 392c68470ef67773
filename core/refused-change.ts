import type { DeadLetter } from './dead-letter.ts';
import type { PartitionRef } from './ports/event-log.ts';
import type { Position } from './position.ts';

/**
 * A change that a stage could not process and that may be replayed later. Invariant 2: it is written down in the
 * transaction that settles its record, because the dead letter itself is heard of later, and until a newer position of
 * its key is stored nothing older may stop a record.
 */
export interface RefusedChange extends PartitionRef {
  /** The dead letter's id: the first one's, where a replay failed again. */
  readonly letterId: string;
  readonly key: string;
  /** Null where the bytes could not be read. */
  readonly position: Position | null;
}

export function refusedChange({ id, replayOf, origin, key }: DeadLetter, position: Position | null): RefusedChange {
  return { letterId: replayOf ?? id, topic: origin.topic, partition: origin.partition, key: key ?? '', position };
}

/** One per letter: a replay may stand in one batch with what it replays. */
export function oncePerLetter(refused: readonly RefusedChange[]): RefusedChange[] {
  const byLetter = new Map<string, RefusedChange>();
  for (const change of refused) {
    const known = byLetter.get(change.letterId);
    if (known === undefined || known.position === null) byLetter.set(change.letterId, change);
  }
  return [...byLetter.values()];
}
