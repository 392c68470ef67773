import type pg from 'pg';
import type {
  ConflictView,
  MetricView,
  PageRequest,
  ReadStore,
  RoleView,
  SourceEventFilter,
  SourceEventView,
  SyncStateFilter,
  SyncStateView,
} from '../../core/ports/read-store.ts';
import { differencesPage, summarizeDifferences } from './differences-query.ts';
import { Conditions, instantColumn, jsonObjectOf, pageOf, reading } from './keyset-query.ts';
import { progressSnapshot } from './progress-snapshot.ts';

type WithText<View, Field extends string> = Omit<View, Field> & { readonly [name in Field]: string | null };
type StateText = WithText<SyncStateView, 'data'>;
type EventText = WithText<SourceEventView, 'data'>;
type ConflictText = WithText<ConflictView, 'details'>;
type MetricText = WithText<MetricView, 'labels'> & { readonly metricId: string };
type RoleText = WithText<RoleView, 'details'>;

const stateColumns = `entity_id AS "entityId", source_type AS "sourceType", kind, status, version, position, checksum,
  event_id AS "eventId", ${instantColumn('last_sync_at', '"lastSyncAt"')}, data::text`;
const eventColumns = `event_id AS "eventId", source_type AS "sourceType", source_id AS "sourceId", entity_id AS "entityId",
  event_type AS "eventType", status, ${instantColumn('timestamp', 'timestamp')}, ${instantColumn('received_at', '"receivedAt"')},
  position, correlation_id AS "correlationId", checksum, data::text`;
const conflictColumns = `conflict_id AS "conflictId", entity_id AS "entityId", coalesce(kind, split_part(entity_id, ':', 1)) AS kind,
  source_type AS "sourceType", conflict_type AS "conflictType", status, resolution, fields, details::text,
  ${instantColumn('created_at', '"createdAt"')}, ${instantColumn('updated_at', '"updatedAt"')},
  webhook_attempts AS "webhookAttempts", webhook_error AS "webhookError"`;
const metricColumns = `metric_id AS "metricId", metric_name AS name, metric_value AS value, labels::text, ${instantColumn('timestamp', 'timestamp')}`;
const roleColumns = `role, instance, state, details::text, ${instantColumn('reported_at', '"reportedAt"')},
  (extract(epoch FROM clock_timestamp() - reported_at) * 1000)::float8 AS "ageMs"`;

export function createReadStore(pool: pg.Pool): ReadStore {
  return {
    syncStates: (filter, page) => syncStates(pool, filter, page),
    sourceEvents: (filter, page) => sourceEvents(pool, filter, page),

    async syncStatesOf(entityId) {
      const text = `SELECT ${stateColumns} FROM sync_state WHERE entity_id = $1 ORDER BY source_type`;
      const found = await reading(pool, 'READ COMMITTED', (client) => client.query<StateText>(text, [entityId]));
      return found.rows.map(stateOf);
    },

    async sourceEvent(eventId) {
      const text = `SELECT ${eventColumns} FROM source_events WHERE event_id = $1`;
      const found = await reading(pool, 'READ COMMITTED', (client) => client.query<EventText>(text, [eventId]));
      return found.rows[0] === undefined ? null : eventOf(found.rows[0]);
    },

    conflicts(filter, page) {
      const conditions = new Conditions()
        .add('entity_id = ?', filter.entityId)
        .add('kind = ?', filter.kind)
        .add('source_type = ?', filter.sourceType)
        .add('conflict_type = ?', filter.conflictType)
        .add('status = ?', filter.status)
        .add('resolution = ?', filter.resolution)
        .after('(created_at, conflict_id) < (?::timestamptz, ?::uuid)', page);
      return pageOf<ConflictText, ConflictView>(
        pool,
        (limit) =>
          `SELECT ${conflictColumns} FROM conflict_log ${conditions.where} ORDER BY conflict_log.created_at DESC, conflict_id DESC LIMIT ${limit}`,
        conditions,
        page,
        conflictOf,
        (row) => [row.createdAt, row.conflictId],
      );
    },

    async conflict(conflictId) {
      const text = `SELECT ${conflictColumns} FROM conflict_log WHERE conflict_id = $1`;
      const found = await reading(pool, 'READ COMMITTED', (client) => client.query<ConflictText>(text, [conflictId]));
      return found.rows[0] === undefined ? null : conflictOf(found.rows[0]);
    },

    differences: (filter, page) => differencesPage(pool, filter, page),
    differenceSummary: () => summarizeDifferences(pool),

    metrics(filter, page) {
      const conditions = new Conditions()
        .add('metric_name = ?', filter.name)
        .add('sync_metrics.timestamp >= ?::timestamptz', filter.since)
        .add('sync_metrics.timestamp < ?::timestamptz', filter.until)
        .after('(sync_metrics.timestamp, metric_id) < (?::timestamptz, ?::uuid)', page);
      return pageOf<MetricText, MetricView>(
        pool,
        (limit) =>
          `SELECT ${metricColumns} FROM sync_metrics ${conditions.where} ORDER BY sync_metrics.timestamp DESC, metric_id DESC LIMIT ${limit}`,
        conditions,
        page,
        ({ name, value, labels, timestamp }) => ({ name, value, labels: jsonObjectOf(labels) ?? {}, timestamp }),
        (row) => [row.timestamp, row.metricId],
      );
    },

    async roleReports() {
      const text = `SELECT ${roleColumns} FROM role_reports ORDER BY role, instance`;
      const found = await reading(pool, 'READ COMMITTED', (client) => client.query<RoleText>(text));
      return found.rows.map((row): RoleView => ({ ...row, details: jsonObjectOf(row.details) ?? {} }));
    },

    progress: () => reading(pool, 'REPEATABLE READ', progressSnapshot),

    async ping() {
      await reading(pool, 'READ COMMITTED', (client) => client.query('SELECT 1'));
    },
  };
}

function syncStates(pool: pg.Pool, filter: SyncStateFilter, page: PageRequest) {
  const conditions = new Conditions()
    .add('entity_id = ?', filter.entityId)
    .add('source_type = ?', filter.sourceType)
    .add('kind = ?', filter.kind)
    .add('status = ?', filter.status)
    .add('last_sync_at >= ?::timestamptz', filter.updatedSince)
    .add('last_sync_at < ?::timestamptz', filter.updatedUntil)
    .after('(entity_id, source_type) > (?, ?)', page);
  return pageOf<StateText, SyncStateView>(
    pool,
    (limit) => `SELECT ${stateColumns} FROM sync_state ${conditions.where} ORDER BY entity_id, source_type LIMIT ${limit}`,
    conditions,
    page,
    stateOf,
    (row) => [row.entityId, row.sourceType],
  );
}

function sourceEvents(pool: pg.Pool, filter: SourceEventFilter, page: PageRequest) {
  const conditions = new Conditions()
    .add('entity_id = ?', filter.entityId)
    .add('source_type = ?', filter.sourceType)
    .add('event_type = ?', filter.eventType)
    .add('status = ?', filter.status)
    .add('source_events.timestamp >= ?::timestamptz', filter.since)
    .add('source_events.timestamp < ?::timestamptz', filter.until)
    .after('(source_events.timestamp, event_id) < (?::timestamptz, ?::uuid)', page);
  return pageOf<EventText, SourceEventView>(
    pool,
    (limit) =>
      `SELECT ${eventColumns} FROM source_events ${conditions.where} ORDER BY source_events.timestamp DESC, event_id DESC LIMIT ${limit}`,
    conditions,
    page,
    eventOf,
    (row) => [row.timestamp, row.eventId],
  );
}

function stateOf(row: StateText): SyncStateView {
  return { ...row, data: jsonObjectOf(row.data) };
}

function conflictOf(row: ConflictText): ConflictView {
  return { ...row, details: jsonObjectOf(row.details) ?? {} };
}

function eventOf(row: EventText): SourceEventView {
  return { ...row, data: jsonObjectOf(row.data) };
}
