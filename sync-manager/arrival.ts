import type { CanonicalRecord, EntityId, EventId } from '../core/change-event.ts';
import { goldenSourceType } from '../core/change-event.ts';
import type { Acknowledgement } from '../core/conflict/acknowledgement.ts';
import { operatorSourceType } from '../core/conflict/voice.ts';
import type { DeadLetter } from '../core/dead-letter.ts';
import type { Leave } from '../core/identity/move.ts';
import type { StateHead } from '../core/ports/sync-store.ts';
import { isAfter } from '../core/position.ts';

/** What came on a canonical topic and is not settled yet. */
export type Arrival =
  | { readonly kind: 'record'; readonly record: CanonicalRecord }
  /** A record that cannot be settled. */
  | { readonly kind: 'dead'; readonly record: CanonicalRecord; readonly letter: DeadLetter }
  | ArrivedLeave
  | ArrivedWord;

/** A record leaves the entity: with a change it makes, or by somebody's order. */
export interface ArrivedLeave {
  readonly kind: 'leave';
  readonly record: CanonicalRecord;
  readonly leave: Leave;
  /** Its change is at fault: the record moves without it. */
  readonly letter?: DeadLetter;
}

/** Word of a write-back. */
export interface ArrivedAcknowledgement {
  readonly kind: 'acknowledgement';
  readonly ledgerId: string;
  readonly acknowledgement: Acknowledgement;
}

/** Somebody found that the golden record is not what comes of the rows. */
export interface ArrivedRemerge {
  readonly kind: 'remerge';
  readonly entityId: EntityId;
  readonly entityKind: string;
}

/** What has no raw record, so that there is nothing to account for. */
type ArrivedWord = ArrivedAcknowledgement | ArrivedRemerge;

export function isWord(arrival: Arrival): arrival is ArrivedWord {
  return arrival.kind === 'acknowledgement' || arrival.kind === 'remerge';
}

/** Entities more than one source speaks of, in the tables or in the batch. */
export function sharedEntities(arrivals: readonly Arrival[], heads: readonly StateHead[]): EntityId[] {
  const speakers = new Map<EntityId, string>();
  const shared = new Set(arrivals.filter(needsTheEngine).map((arrival) => subjectOf(arrival).entityId));
  for (const { entityId, sourceType } of [...heads, ...arrivals.map(subjectOf)]) {
    if (sourceType === goldenSourceType) continue;
    const first = speakers.get(entityId);
    if (first === undefined) speakers.set(entityId, sourceType);
    else if (first !== sourceType) shared.add(entityId);
  }
  return [...shared];
}

export function subjectOf(arrival: Arrival): { readonly entityId: EntityId; readonly sourceType: string } {
  if (arrival.kind === 'remerge') return { entityId: arrival.entityId, sourceType: goldenSourceType };
  return arrival.kind === 'acknowledgement' ? arrival.acknowledgement : arrival.record;
}

/** Whatever else is known of the entity. */
function needsTheEngine(arrival: Arrival): boolean {
  if (isWord(arrival) || arrival.kind === 'leave') return true;
  return arrival.record.sourceType === operatorSourceType;
}

export function recordsOf(arrivals: readonly Arrival[]): CanonicalRecord[] {
  return arrivals.flatMap((arrival) => (isWord(arrival) ? [] : [arrival.record]));
}

/** Every id that the batch may want to store. */
export function eventIdsOf(arrivals: readonly Arrival[]): EventId[] {
  const leaves = arrivals.flatMap((arrival) => (arrival.kind === 'leave' ? [arrival.leave.eventId] : []));
  return [...recordsOf(arrivals).map((record) => record.eventId), ...leaves];
}

/**
 * Events whose id may stand in the tables: what is newer than its source's state cannot. A change that is carried on is stored
 * elsewhere, so nothing else would tell.
 */
export function maybeKnown(arrivals: readonly Arrival[], heads: readonly StateHead[]): EventId[] {
  const positions = new Map(heads.map((row) => [`${row.entityId}\0${row.sourceType}`, row.position]));
  const suspects = arrivals.filter((arrival): arrival is Exclude<Arrival, ArrivedWord> => {
    if (isWord(arrival) || arrival.kind === 'leave') return arrival.kind === 'leave';
    const { entityId, sourceType, position } = arrival.record;
    const stored = positions.get(`${entityId}\0${sourceType}`);
    return stored !== undefined && stored !== null && !isAfter(position, stored);
  });
  return eventIdsOf(suspects);
}
