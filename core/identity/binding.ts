import type { EntityId } from '../change-event.ts';
import type { BindResult, ChangeRequest } from '../ports/identity-store.ts';
import type { Position } from '../position.ts';
import type { MoveReason } from './move.ts';

export interface RecordName {
  readonly source: string;
  readonly kind: string;
  readonly key: string;
}

/** Which entity a record of a source stands under, and what was last seen of the record. */
export interface Binding extends RecordName {
  readonly entityId: EntityId;
  readonly tenure: number;
  /** The raw offset from which it holds. */
  readonly sinceOffset: number;
  /** The raw offset of the record that was judged last: this one and those before it are told by the history. */
  readonly seenOffset: number;
  /** The position of that change; null before the first. */
  readonly position: Position | null;
  /** As last taken; null where they were never seen. */
  readonly matchKeys: readonly string[] | null;
  /** Deleted at its source: it stands in nobody's way. */
  readonly gone: boolean;
  /** The change judged last ended in a conflict. */
  readonly contested: boolean;
  /** Offsets of moves after which what the former entity knew has not arrived yet. */
  readonly awaiting: readonly number[];
}

/** A turn in the life of a binding, at one raw offset: a move, a return from deletion, or a conflict. */
export interface BindingTurn extends RecordName {
  readonly offset: number;
  readonly reason: MoveReason | 'returned' | 'conflict';
  /** Where the record stands since; null for a conflict before it stood anywhere. */
  readonly entityId: EntityId | null;
  readonly previous: EntityId | null;
  readonly previousTenure: number;
  readonly matchKey: string | null;
  readonly heldBy: string | null;
  readonly by: string | null;
  readonly eventId: string | null;
}

/** Whether a change may say anything new of its record: all others follow the binding as it is. */
export function needsJudgement(binding: Binding, { position, matchKeys, ordered }: ChangeRequest): boolean {
  // An older state that comes late moves nothing.
  if (binding.position !== null && position < binding.position) return false;
  if (matchKeys === null) return !binding.gone || binding.contested || !ordered;
  if (binding.gone || binding.contested || binding.matchKeys === null) return true;
  return !sameKeys(binding.matchKeys, matchKeys) || (!ordered && position !== binding.position);
}

export function boundTo({ entityId, tenure, awaiting }: Binding): BindResult {
  return { kind: 'bound', entityId, tenure, inTransit: awaiting.length > 0 };
}

/** What was found at an offset that was judged before. The turns are those of the key. */
export function judgedBefore(
  binding: Binding | undefined,
  turns: readonly BindingTurn[],
  { type, offset }: { readonly type: string; readonly offset: number },
): BindResult | undefined {
  const at = turns.find((turn) => turn.offset === offset);
  if (at?.reason === 'conflict') return { kind: 'conflict', matchKey: at.matchKey ?? '', heldBy: at.heldBy ?? '' };
  if (binding === undefined || offset > binding.seenOffset) return undefined;
  if (at !== undefined && at.reason !== 'returned') return movedBy(at);
  if (type === 'relink') return { kind: 'settled' };
  const inTransit = binding.awaiting.length > 0;
  const next = turns.filter((turn) => turn.reason !== 'conflict' && turn.offset > offset).sort(byOffset)[0];
  if (next === undefined) return boundTo(binding);
  return { kind: 'bound', entityId: next.previous!, tenure: next.previousTenure, inTransit };
}

export function movedBy(turn: BindingTurn): BindResult {
  return {
    kind: 'moved',
    from: turn.previous!,
    to: turn.entityId!,
    tenure: turn.previousTenure,
    reason: turn.reason as MoveReason,
    by: turn.by,
    eventId: turn.eventId,
  };
}

export function recordNameOf({ source, kind, key }: RecordName): string {
  return `${source}\0${kind}\0${key}`;
}

function sameKeys(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((key, index) => key === right[index]);
}

function byOffset(left: BindingTurn, right: BindingTurn): number {
  return left.offset - right.offset;
}
