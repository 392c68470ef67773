import type { EntityId } from '../change-event.ts';
import type { Binding, BindingTurn, RecordName } from '../identity/binding.ts';
import type { MergeVerdict } from '../identity/identity-book.ts';

/** A record of a source that stands under an entity. */
export interface LinkedRecord extends RecordName {
  /** Null where none were seen since it was bound. */
  readonly matchKeys: readonly string[] | null;
  /** Deleted at its source. */
  readonly gone: boolean;
  /** What its former entity knew of it has not arrived yet. */
  readonly inTransit: boolean;
  readonly boundAt: string;
}

export type LinkTurn = Omit<BindingTurn, 'offset' | 'previousTenure'> & { readonly at: string };

/** Which records an entity is made of, what finds it, and how that came to be. */
export interface EntityLinks {
  readonly entityId: string;
  readonly kind: string;
  readonly records: readonly LinkedRecord[];
  readonly matchKeys: readonly string[];
  /** The latest first. */
  readonly history: readonly LinkTurn[];
  /** Where its last record went; null while it has any, or never had one that moved. */
  readonly mergedInto: string | null;
}

/** What people are told of bindings, and the part of a merge that is done at once. */
export interface IdentityRegistry {
  /** Null for an entity that no record stands under or ever stood under. */
  linksOf(entityId: string): Promise<EntityLinks | null>;
  bindingOf(record: RecordName): Promise<Binding | null>;
  /**
   * From now on the match keys of the one find the other. The records are told by the caller; those that stand under the
   * first still, whenever it is asked. Refused, and nothing changed, where a source has a living record under both.
   */
  merge(kind: string, from: EntityId, into: EntityId, by: string): Promise<MergeVerdict>;
}
