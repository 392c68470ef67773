import type { EntityId } from '../change-event.ts';

export interface BindRequest {
  readonly source: string;
  readonly kind: string;
  readonly key: string;
  /** In order of preference; empty for a delete that carries only its key. */
  readonly matchKeys: readonly string[];
  /** The name the entity gets if none of the match keys is known. */
  readonly firstName: EntityId;
}

export type BindResult =
  | { readonly kind: 'bound'; readonly entityId: EntityId }
  /** Another key of the same source stands under this match key. */
  | { readonly kind: 'conflict'; readonly matchKey: string; readonly heldBy: string };

/** (source, kind, key) -> entity id, bound once, before anything is produced. */
export interface IdentityStore {
  /** Results in the order of the requests. Safe to repeat: a binding never changes. */
  bind(requests: readonly BindRequest[]): Promise<readonly BindResult[]>;
}
