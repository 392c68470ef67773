import type { EntityId } from '../change-event.ts';
import type { MoveReason } from '../identity/move.ts';
import type { Position } from '../position.ts';

/** A raw record that concerns the binding of its key. The offset is that on the key's own raw partition. */
interface RequestOfKey {
  readonly source: string;
  readonly kind: string;
  readonly key: string;
  readonly offset: number;
}

/** A change of the record. */
export interface ChangeRequest extends RequestOfKey {
  readonly type: 'change';
  readonly position: Position;
  /** The most trusted first; null for a deletion, which says nothing of them. */
  readonly matchKeys: readonly string[] | null;
  /** The names the entity may get if none of the match keys is known, the best first. */
  readonly names: readonly EntityId[];
  /** Whether the source brings the changes of a key in their order. */
  readonly ordered: boolean;
}

/** Somebody wants the record under another entity. */
export interface RelinkRequest extends RequestOfKey {
  readonly type: 'relink';
  readonly to: EntityId;
  readonly reason: MoveReason;
  readonly by: string | null;
  readonly eventId: string;
}

/** What the record's former entity knew of it arrives. */
export interface RejoinRequest extends RequestOfKey {
  readonly type: 'rejoin';
  /** The offset at which it moved. */
  readonly movedAt: number;
}

export type BindRequest = ChangeRequest | RelinkRequest | RejoinRequest;

export type BindResult =
  | {
      readonly kind: 'bound';
      readonly entityId: EntityId;
      /** The how-manieth record of its source under this entity: a later one takes the place of those before it. */
      readonly tenure: number;
      /** What its former entity knew of the record has not arrived yet. */
      readonly inTransit: boolean;
    }
  /** The record moves at this very offset, and its former entity has to hear of it first. */
  | {
      readonly kind: 'moved';
      readonly from: EntityId;
      readonly to: EntityId;
      /** Under the former entity. */
      readonly tenure: number;
      readonly reason: MoveReason;
      readonly by: string | null;
      /** Of the order to move; null where a changed match key moved it. */
      readonly eventId: string | null;
    }
  /** Another record of the same source stands where this one belongs. */
  | { readonly kind: 'conflict'; readonly matchKey: string; readonly heldBy: string }
  /** An order that changes nothing. */
  | { readonly kind: 'settled' };

/**
 * (source, kind, key) -> entity id, written before anything is produced. Bindings change at raw offsets, so a record that
 * is processed twice goes to the same entity both times (Invariant 6).
 */
export interface IdentityStore {
  /**
   * Results in the order of the requests, which is the order of the log for those of one key. Safe to repeat, whatever
   * came after: an offset that was judged is never judged anew.
   */
  bind(requests: readonly BindRequest[]): Promise<readonly BindResult[]>;
}
