import type { EntityId } from '../change-event.ts';
import type { Difference } from '../differences/difference.ts';
import type { DifferencePair } from '../differences/difference-pair.ts';
import type { StateRow } from './sync-store.ts';
import type { TargetIdentity } from './target-store.ts';

/** Which records of one kind a system is asked for. */
export interface VerifiedKind extends TargetIdentity {
  readonly kind: string;
  /** Whether an entity's id tells its key there. */
  readonly keyIsEntity: boolean;
}

/** All rows of an entity, and what the history and the differences say of it, at one moment. */
export interface EntityTables {
  readonly entityId: EntityId;
  readonly rows: readonly StateRow[];
  /** By event id: the checksum that the event of a row brought; only events of the row's own source. */
  readonly eventChecksums: ReadonlyMap<string, string | null>;
  /** Of pairs that are exact. */
  readonly differences: readonly Pick<Difference, 'leftSource' | 'rightSource' | 'kind'>[];
}

export interface EntityTablesChunk {
  readonly entities: readonly EntityTables[];
  /** Pairs of the kind that are exact at that moment. */
  readonly exact: readonly DifferencePair[];
}

/** What our tables hold, for comparison. */
export interface VerificationTables {
  /** Entities of the kind that have a golden record, in an order that never changes. */
  entitiesAfter(kind: string, after: EntityId | null, limit: number): Promise<readonly EntityId[]>;
  /** Which record of ours is meant by a key there. Keys nobody knows are left out. */
  entitiesOf(system: VerifiedKind, keys: readonly string[]): Promise<ReadonlyMap<string, EntityId>>;
  /** Those of the keys under which the system should have a record, as far as we know. */
  livingKeys(system: VerifiedKind, keys: readonly string[]): Promise<ReadonlySet<string>>;
  /** Codes of open dead letters of the system's records, by key; of several the latest. */
  letterCodes(system: VerifiedKind, keys: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The next entities of a kind, or these; one snapshot. */
  consistency(
    kind: string,
    which: { readonly after: EntityId | null; readonly limit: number } | readonly EntityId[],
    pairs: readonly DifferencePair[],
  ): Promise<EntityTablesChunk>;
}
