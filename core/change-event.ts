import type { JsonObject } from './json.ts';
import type { Position } from './position.ts';

/**
 * Glossary
 *
 * source          one configured system (`shop-eu`), reached by a connector
 * kind            kind of entity: product, order, user…
 * key             the id of a record in its source
 * entity id       the id of an entity across sources, `product:SKU-1`
 * change event    one change at one source, as the connector publishes it to `source.<source>.<kind>`
 * canonical       a change after mapping and identification, on `entity.<kind>`
 * golden record   the resolved truth of an entity, on `resolved.<kind>` and in `sync_state` as source type GOLDEN
 * origin          where a record stands on its raw topic: the unit of accounting
 */

export type EventId = string & { readonly brand: 'EventId' };
export type EntityId = string & { readonly brand: 'EntityId' };
export type Checksum = string & { readonly brand: 'Checksum' };

export type Operation = 'snapshot' | 'create' | 'update' | 'delete';
export const operations: readonly Operation[] = ['snapshot', 'create', 'update', 'delete'];

/** One change at one source. It carries the whole record, so a later one supersedes an earlier one. */
export interface ChangeEvent {
  readonly eventId: EventId;
  readonly source: string;
  readonly kind: string;
  readonly key: string;
  readonly operation: Operation;
  readonly position: Position;
  /** The source's commit time, RFC 3339 in UTC. */
  readonly occurredAt: string;
  readonly correlationId: string;
  /** The whole record; null for a delete that knows only its key. */
  readonly data: JsonObject | null;
}

/** What a change says of itself before it says what changed. */
export type ChangeEnvelope = Omit<ChangeEvent, 'data'>;

export interface Origin {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** A change after mapping and identification. */
export interface CanonicalRecord {
  readonly eventId: EventId;
  readonly source: string;
  readonly sourceType: string;
  readonly kind: string;
  readonly key: string;
  readonly entityId: EntityId;
  readonly operation: Operation;
  readonly position: Position;
  readonly occurredAt: string;
  /** When the raw topic's broker appended the change, in milliseconds: end-to-end latency counts from here. */
  readonly receivedAtMs: number;
  readonly correlationId: string;
  /** sha256 of the canonical form of `data`; null for a delete. */
  readonly checksum: Checksum | null;
  readonly data: JsonObject | null;
  readonly origin: Origin;
  /** The dead letter this record was replayed from. */
  readonly replayOf?: string;
  /** The how-manieth record of its source under the entity; absent for the first. Travels in a header. */
  readonly tenure?: number;
}

/** (epoch, n): the epoch rises when PostgreSQL is restored from a backup, so versions never repeat. */
export interface GoldenVersion {
  readonly epoch: number;
  readonly n: number;
}

/** The resolved truth of an entity. A deletion is a value, not an absence. */
export interface GoldenRecord {
  readonly entityId: EntityId;
  readonly kind: string;
  readonly version: GoldenVersion;
  readonly deleted: boolean;
  readonly data: JsonObject | null;
  /** The event that brought this version. */
  readonly eventId: EventId;
  readonly updatedAt: string;
}

export const goldenSourceType = 'GOLDEN';

/** Headers on raw topics. Absent on ordinary changes. */
export const rawHeaders = {
  /** Id of the dead letter that is being tried again: the filter lets it pass. */
  replayOf: 'syncline-replay-of',
  /**
   * `forget`: the state of this key was rejected downstream, the filter must not trust its entry. `relink`, `rejoin`: the
   * record moves to another entity, and what its former one knew comes after it.
   */
  control: 'syncline-control',
  /** The lease under which a connector sent it: of one topic's records those of a lower one come from a process that lost its right. */
  lease: 'syncline-lease',
  /** A record that its connector could not tell, and the code of the error: the value says the rest. */
  refused: 'syncline-refused',
} as const;

/** Headers on canonical topics, beside `syncline-control`. */
export const canonicalHeaders = { tenure: 'syncline-tenure' } as const;

/** What `syncline-control` says there. */
export const canonicalControls = {
  /** A write-back reached its system. */
  acknowledged: 'acknowledged',
  /** A record moves to another entity. */
  leave: 'leave',
  /** The golden record is to be merged anew from the rows of the sources. */
  remerge: 'remerge',
} as const;
