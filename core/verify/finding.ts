import { checksumOf } from '../canonical/canonical.ts';
import type { Checksum, EntityId } from '../change-event.ts';

export const findingKinds = [
  /** The system has a record that the states do not have, or have as deleted. */
  'missing_here',
  /** The states have a record that the system does not have. */
  'missing_there',
  /** Both have it, and not the same. */
  'differs',
  /** System and states agree, but the golden record was not brought there. */
  'undelivered',
  /** The tables contradict each other. */
  'inconsistent',
] as const;
export type FindingKind = (typeof findingKinds)[number];

export interface Finding {
  readonly kind: FindingKind;
  /** Their names, sorted; empty where one side has nothing. */
  readonly fields: readonly string[];
  /** What is known of the cause. */
  readonly reason: string | null;
}

/** Which record is meant: by its key in the system, its entity, or both. */
export interface Subject {
  readonly key: string | null;
  readonly entityId: EntityId | null;
}

/** What was seen of a record at one moment. `here` and `there` change whenever anything about that side does. */
export interface Sighting extends Subject {
  /** Null: both sides are equal. */
  readonly finding: Finding | null;
  readonly here: Checksum;
  readonly there: Checksum;
}

/** A sighting in which the sides are not equal. */
export interface Suspect extends Sighting {
  readonly finding: Finding;
}

export function isSuspect(sighting: Sighting): sighting is Suspect {
  return sighting.finding !== null;
}

const subjectCharactersMax = 300;

/** How findings of one kind of record at one system are told apart: by a text that an index takes. */
export function subjectText({ key, entityId }: Subject): string {
  const text = key ?? entityId ?? '';
  return text.length <= subjectCharactersMax ? text : `${text.slice(0, subjectCharactersMax)} ${checksumOf(text)}`;
}
