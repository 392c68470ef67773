import type pg from 'pg';
import { type CanonicalRecord, goldenSourceType } from '../../core/change-event.ts';
import type { GoldenRow, GoldenVoice } from '../../core/conflict/conflict.ts';
import type { SourceRow, Voice } from '../../core/conflict/voice.ts';
import type { EntityStore, GoldenVersionView, HistoricEvent, PointInHistory, Span } from '../../core/ports/entity-store.ts';
import type { PageRequest } from '../../core/ports/read-store.ts';
import type { StateHead } from '../../core/ports/sync-store.ts';
import { Conditions, instantColumn, jsonObjectOf, pageOf, reading } from './keyset-query.ts';

type StateText = Omit<StateHead, 'deleted'> & {
  readonly status: string;
  readonly data: string | null;
  readonly voice: string | null;
};
type VersionText = Omit<GoldenVersionView, 'deleted' | 'data'> & { readonly data: string | null };
type EventText = Pick<CanonicalRecord, 'eventId' | 'sourceType' | 'key' | 'entityId' | 'operation' | 'position' | 'checksum'> &
  Pick<CanonicalRecord, 'occurredAt' | 'correlationId'> & {
    readonly receivedAt: string;
    readonly data: string | null;
    readonly storedOrder: number;
    readonly madeGolden: boolean;
    readonly golden: string | null;
  };

const stateColumns = `entity_id AS "entityId", source_type AS "sourceType", kind, version, position, status, checksum,
  event_id AS "eventId", data::text, voice::text`;
/** The golden data is kept only where it is not the event's own. */
const goldenData = 'CASE WHEN golden_data IS NULL THEN data ELSE golden_data END';
const versionColumns = `golden_version AS version, event_id AS "eventId", source_type AS "sourceType", source_id AS "sourceId",
  event_type AS "eventType", status, ${instantColumn('timestamp', 'timestamp')}, ${instantColumn('received_at', '"receivedAt"')},
  (${goldenData})::text AS data`;
const eventColumns = `event_id AS "eventId", source_type AS "sourceType", source_id AS key, entity_id AS "entityId",
  event_type AS operation, position, checksum, correlation_id AS "correlationId", ${instantColumn('timestamp', '"occurredAt"')},
  ${instantColumn('received_at', '"receivedAt"')}, data::text, stored_order AS "storedOrder",
  golden_version IS NOT NULL AS "madeGolden", (${goldenData})::text AS golden`;
/** Events that were taken: the others changed nothing. */
const taken = `status IN ('applied', 'conflicted')`;

export function createEntityStore(pool: pg.Pool): EntityStore {
  async function rows<R extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<R[]> {
    return (await reading(pool, 'READ COMMITTED', (client) => client.query<R>(text, [...values]))).rows;
  }

  return {
    async rowsOf(entityId) {
      const found = await rows<StateText>(`SELECT ${stateColumns} FROM sync_state WHERE entity_id = $1`, [entityId]);
      if (found.length === 0) return null;
      const golden = found.find(({ sourceType }) => sourceType === goldenSourceType);
      const sources = found.filter((row) => row !== golden);
      return { golden: golden === undefined ? undefined : goldenRow(golden), rows: sources.map(sourceRow) };
    },

    versions: (entityId, page) => versionsOf(pool, entityId, page),

    async versionAt(entityId, point) {
      const [condition, value] = conditionOf(point);
      const [found] = await rows<VersionText>(
        `SELECT ${versionColumns} FROM source_events WHERE entity_id = $1 AND golden_version IS NOT NULL AND ${condition}
         ORDER BY golden_version DESC LIMIT 1`,
        [entityId, value],
      );
      return found === undefined ? null : versionOf(found);
    },

    async timesOf(eventIds) {
      const found = await rows<{ id: string; at: string }>(
        `SELECT event_id AS id, ${instantColumn('timestamp', 'at')} FROM source_events WHERE event_id = ANY($1::uuid[])`,
        [eventIds],
      );
      return new Map(found.map(({ id, at }) => [id, at]));
    },

    async saidBy(entityId, sourceType, limit) {
      const found = await rows<{ eventId: string; data: string | null }>(
        `SELECT event_id AS "eventId", data::text FROM source_events
         WHERE entity_id = $1 AND source_type = $2 AND ${taken} ORDER BY position DESC LIMIT $3`,
        [entityId, sourceType, limit],
      );
      return found.map(({ eventId, data }) => ({ eventId, data: jsonObjectOf(data) }));
    },

    async entitiesIn(kind, span, among, after, limit) {
      const { text, values } = entitiesQuery(kind, span, among, after, limit);
      return (await rows<{ id: string }>(text, values)).map(({ id }) => id);
    },

    eventsOf(kind, entityIds, until, page) {
      const conditions = new Conditions()
        .add('entity_id = ANY(?)', entityIds)
        .add('received_at < ?::timestamptz', until ?? undefined)
        .after('(entity_id, stored_order) > (?, ?::bigint)', page);
      return pageOf<EventText, HistoricEvent>(
        pool,
        (limit) => `SELECT ${eventColumns} FROM source_events ${conditions.where} AND ${taken}
          ORDER BY source_events.entity_id, stored_order LIMIT ${limit}`,
        conditions,
        page,
        (row) => eventOf(kind, row),
        (row) => [row.entityId, String(row.storedOrder)],
      );
    },
  };
}

function versionsOf(pool: pg.Pool, entityId: string, page: PageRequest) {
  const conditions = new Conditions().add('entity_id = ?', entityId).after('golden_version < ?::bigint', page);
  return pageOf<VersionText, GoldenVersionView>(
    pool,
    (limit) => `SELECT ${versionColumns} FROM source_events ${conditions.where} AND golden_version IS NOT NULL
      ORDER BY golden_version DESC LIMIT ${limit}`,
    conditions,
    page,
    versionOf,
    (row) => [String(row.version)],
  );
}

function conditionOf(point: PointInHistory): readonly [string, unknown] {
  return 'version' in point ? ['golden_version <= $2', point.version] : ['received_at <= $2::timestamptz', point.instant];
}

function entitiesQuery(kind: string, span: Span, among: readonly string[] | null, after: string | null, limit: number) {
  const conditions = new Conditions()
    .add('s.source_type = ?', goldenSourceType)
    .add('s.kind = ?', kind)
    .add('s.entity_id = ANY(?)', among ?? undefined)
    .add('s.entity_id > ?', after ?? undefined);
  const since = span.since === null ? '' : `AND e.received_at >= ${conditions.bind(span.since)}::timestamptz`;
  const until = span.until === null ? '' : `AND e.received_at < ${conditions.bind(span.until)}::timestamptz`;
  const text = `SELECT s.entity_id AS id FROM sync_state s ${conditions.where}
    AND EXISTS (SELECT FROM source_events e WHERE e.entity_id = s.entity_id AND e.${taken} ${since} ${until})
    ORDER BY s.entity_id LIMIT ${conditions.bind(limit)}`;
  return { text, values: conditions.values };
}

function headOf({ entityId, sourceType, kind, version, position, checksum, eventId, status }: StateText): StateHead {
  return { entityId, sourceType, kind, version, position, deleted: status === 'deleted', checksum, eventId };
}

/** The conflict engine alone writes voices. */
function sourceRow(row: StateText): SourceRow {
  return { ...headOf(row), data: jsonObjectOf(row.data), voice: jsonObjectOf(row.voice) as unknown as Voice | null };
}

function goldenRow(row: StateText): GoldenRow {
  return { ...headOf(row), data: jsonObjectOf(row.data), voice: jsonObjectOf(row.voice) as unknown as GoldenVoice | null };
}

function versionOf(row: VersionText): GoldenVersionView {
  const data = jsonObjectOf(row.data);
  return { ...row, deleted: data === null, data };
}

function eventOf(kind: string, { receivedAt, storedOrder: _, madeGolden, golden, ...row }: EventText): HistoricEvent {
  const record: CanonicalRecord = {
    ...row,
    source: row.sourceType,
    kind,
    receivedAtMs: Date.parse(receivedAt),
    data: jsonObjectOf(row.data),
    origin: { topic: '', partition: 0, offset: 0 },
  };
  const left = String(row.operation) === 'leave' ? ({ left: true } as const) : {};
  return { record, ...left, golden: madeGolden ? { data: jsonObjectOf(golden) } : undefined };
}
