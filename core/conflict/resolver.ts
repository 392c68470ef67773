import type { CanonicalRecord, Checksum } from '../change-event.ts';
import type { JsonObject } from '../json.ts';
import type { ConflictRow, StateHead, StateRow } from '../ports/sync-store.ts';

/** What an entity is known to be when a change arrives. */
export type EntityView =
  /** No other source speaks of it, so the data of the stored rows is not needed and not read. */
  | { readonly kind: 'alone'; readonly golden: StateHead | undefined; readonly before: StateHead | undefined }
  | {
      readonly kind: 'shared';
      readonly golden: StateRow | undefined;
      /** What the changing source said before: the base its change was made on. */
      readonly before: StateRow | undefined;
      /** What the other sources say, golden row left out. */
      readonly others: readonly StateRow[];
    };

export interface Resolution {
  readonly deleted: boolean;
  readonly data: JsonObject | null;
  /** Given where it is known already; computed by the caller otherwise. */
  readonly checksum?: Checksum | null;
  readonly conflicts: readonly ConflictRow[];
}

/**
 * The seat of the conflict engine: decides what the golden record is after a change that is newer than what its source
 * said before. Pure: the same view and change give the same resolution.
 */
export interface ConflictResolver {
  resolve(view: EntityView, change: CanonicalRecord): Resolution;
}
