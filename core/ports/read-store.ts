import type { OutcomeRow, ProcessorProgress, SyncProgress } from '../accounting.ts';
import type { JsonObject } from '../json.ts';

/**
 * What the API reads of the tables. Pages are keyed by the last row seen, never by number: a page costs the same
 * wherever it lies and rows that come in meanwhile shift nothing. Rejects with SyncError('request.timed-out') for a
 * question that takes too long and SyncError('postgres.unavailable').
 */

/** Where a page begins: the sort values of the row before it, as the store itself wrote them. */
export type PageKey = readonly string[];

export interface PageRequest {
  readonly after: PageKey | null;
  readonly limit: number;
}

export interface Page<Row> {
  readonly rows: readonly Row[];
  /** Null on the last page. */
  readonly next: PageKey | null;
}

export interface SyncStateFilter {
  readonly entityId?: string | undefined;
  readonly sourceType?: string | undefined;
  readonly kind?: string | undefined;
  readonly status?: string | undefined;
  readonly updatedSince?: string | undefined;
  readonly updatedUntil?: string | undefined;
}

export interface SyncStateView {
  readonly entityId: string;
  readonly sourceType: string;
  readonly kind: string;
  readonly status: string;
  readonly version: number;
  readonly position: string | null;
  readonly checksum: string | null;
  readonly eventId: string;
  readonly lastSyncAt: string;
  readonly data: JsonObject | null;
}

export interface SourceEventFilter {
  readonly entityId?: string | undefined;
  readonly sourceType?: string | undefined;
  readonly eventType?: string | undefined;
  readonly status?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

export interface SourceEventView {
  readonly eventId: string;
  readonly sourceType: string;
  readonly sourceId: string;
  readonly entityId: string;
  readonly eventType: string;
  readonly status: string;
  readonly timestamp: string;
  readonly receivedAt: string;
  readonly position: string;
  readonly correlationId: string;
  readonly checksum: string | null;
  readonly data: JsonObject | null;
}

export interface ConflictFilter {
  readonly entityId?: string | undefined;
  readonly sourceType?: string | undefined;
  readonly conflictType?: string | undefined;
  readonly resolution?: string | undefined;
}

export interface ConflictView {
  readonly conflictId: string;
  readonly entityId: string;
  readonly sourceType: string;
  readonly conflictType: string;
  readonly resolution: string;
  readonly details: JsonObject;
  readonly createdAt: string;
}

export interface MetricFilter {
  readonly name?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

export interface MetricView {
  readonly name: string;
  readonly value: number;
  readonly labels: JsonObject;
  readonly timestamp: string;
}

export interface RoleView {
  readonly role: string;
  readonly instance: string;
  readonly state: string;
  readonly details: JsonObject;
  readonly reportedAt: string;
  /** By the database's clock: ours and theirs may differ. */
  readonly ageMs: number;
}

/** Read in one snapshot, so that the figures belong together. */
export interface ProgressSnapshot {
  readonly processors: readonly ProcessorProgress[];
  readonly syncManagers: readonly SyncProgress[];
  readonly outcomes: readonly OutcomeRow[];
}

export interface ReadStore {
  syncStates(filter: SyncStateFilter, page: PageRequest): Promise<Page<SyncStateView>>;
  /** Every source's row and the golden one. */
  syncStatesOf(entityId: string): Promise<readonly SyncStateView[]>;
  sourceEvents(filter: SourceEventFilter, page: PageRequest): Promise<Page<SourceEventView>>;
  sourceEvent(eventId: string): Promise<SourceEventView | null>;
  conflicts(filter: ConflictFilter, page: PageRequest): Promise<Page<ConflictView>>;
  metrics(filter: MetricFilter, page: PageRequest): Promise<Page<MetricView>>;
  roleReports(): Promise<readonly RoleView[]>;
  progress(): Promise<ProgressSnapshot>;
  /** Resolves when PostgreSQL answers. */
  ping(): Promise<void>;
}
