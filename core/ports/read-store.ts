import type { OutcomeRow, ProcessorProgress, SyncProgress } from '../accounting.ts';
import type { ConflictStatus } from '../conflict/conflict.ts';
import type { DifferenceKind } from '../differences/difference.ts';
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
  readonly kind?: string | undefined;
  readonly sourceType?: string | undefined;
  readonly conflictType?: string | undefined;
  readonly status?: ConflictStatus | undefined;
  readonly resolution?: string | undefined;
}

export interface ConflictView {
  readonly conflictId: string;
  readonly entityId: string;
  readonly kind: string;
  readonly sourceType: string;
  readonly conflictType: string;
  readonly status: ConflictStatus;
  readonly resolution: string;
  readonly fields: readonly string[];
  readonly details: JsonObject;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** How often its webhook was asked, and what came of it last where that was no answer. */
  readonly webhookAttempts: number;
  readonly webhookError: string | null;
}

export interface DifferenceFilter {
  readonly leftSource?: string | undefined;
  readonly rightSource?: string | undefined;
  readonly entityKind?: string | undefined;
  readonly entityId?: string | undefined;
  readonly kind?: DifferenceKind | undefined;
  /** Differences in which this field has a part. */
  readonly field?: string | undefined;
}

export interface DifferenceView {
  readonly entityId: string;
  readonly leftSource: string;
  readonly rightSource: string;
  readonly entityKind: string;
  readonly kind: DifferenceKind;
  /** Per field what each side has; see `Difference`. */
  readonly fields: JsonObject;
  readonly since: string;
}

/** How many entities differ between two sources, by kind of entity. */
export interface DifferenceSummary {
  readonly leftSource: string;
  readonly rightSource: string;
  readonly entityKind: string;
  /** `building` until everything was compared by the configuration in force. */
  readonly state: 'building' | 'exact';
  readonly onlyLeft: number;
  readonly onlyRight: number;
  readonly differs: number;
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
  conflict(conflictId: string): Promise<ConflictView | null>;
  differences(filter: DifferenceFilter, page: PageRequest): Promise<Page<DifferenceView>>;
  differenceSummary(): Promise<readonly DifferenceSummary[]>;
  metrics(filter: MetricFilter, page: PageRequest): Promise<Page<MetricView>>;
  roleReports(): Promise<readonly RoleView[]>;
  progress(): Promise<ProgressSnapshot>;
  /** Resolves when PostgreSQL answers. */
  ping(): Promise<void>;
}
