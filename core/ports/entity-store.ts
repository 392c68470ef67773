import type { CanonicalRecord } from '../change-event.ts';
import type { ConflictView } from '../conflict/engine.ts';
import type { JsonObject } from '../json.ts';
import type { Page, PageRequest } from './read-store.ts';

/**
 * What is known of single entities, and their histories. Rejects with SyncError('request.timed-out') for a question that
 * takes too long and SyncError('postgres.unavailable').
 */

/** A version of a golden record, and the event that made it. */
export interface GoldenVersionView {
  readonly version: number;
  readonly eventId: string;
  readonly sourceType: string;
  readonly sourceId: string;
  readonly eventType: string;
  readonly status: string;
  /** When it happened at its source. */
  readonly timestamp: string;
  /** When it came in. */
  readonly receivedAt: string;
  readonly deleted: boolean;
  readonly data: JsonObject | null;
}

export type PointInHistory = { readonly version: number } | { readonly instant: string };

/** What one event said, newest first in lists. */
export interface SaidView {
  readonly eventId: string;
  readonly data: JsonObject | null;
}

/** Events that came in from `since` on and before `until`. */
export interface Span {
  readonly since: string | null;
  readonly until: string | null;
}

/** An event that changed what its source says, as it was stored. */
export interface HistoricEvent {
  readonly record: CanonicalRecord;
  /** The record of the source went to another entity. */
  readonly left?: true;
  /** The golden record that it made; undefined where it made none. */
  readonly golden: { readonly data: JsonObject | null } | undefined;
}

export interface EntityStore {
  /** As the conflict engine reads them; null for an entity that nobody speaks of. */
  rowsOf(entityId: string): Promise<ConflictView | null>;
  /** The newest first. */
  versions(entityId: string, page: PageRequest): Promise<Page<GoldenVersionView>>;
  /** The version that stood then. */
  versionAt(entityId: string, point: PointInHistory): Promise<GoldenVersionView | null>;
  /** When they happened at their sources, by id. Events that are not stored any more are left out. */
  timesOf(eventIds: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The events of one source that changed what it says of an entity, the newest first. */
  saidBy(entityId: string, sourceType: string, limit: number): Promise<readonly SaidView[]>;
  /** Ids above `after`, in order, of the kind's entities that had an event in the span; those in `among` where it is given. */
  entitiesIn(
    kind: string,
    span: Span,
    among: readonly string[] | null,
    after: string | null,
    limit: number,
  ): Promise<readonly string[]>;
  /** What these entities were told until the end of the span, entity by entity, in the order in which it was stored. */
  eventsOf(kind: string, entityIds: readonly string[], until: string | null, page: PageRequest): Promise<Page<HistoricEvent>>;
}
