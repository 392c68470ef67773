import type pg from 'pg';
import { goldenSourceType } from '../../core/change-event.ts';
import { stringifyExact } from '../../core/json.ts';
import type { OutcomeCount } from '../../core/outcome.ts';
import {
  type BatchEffects,
  type EventRow,
  EventsKnown,
  type Outbox,
  type StateRow,
  type SyncLease,
} from '../../core/ports/sync-store.ts';

/**
 * Events and states are one statement, whatever the number of rows: they travel as one JSON text in which each record
 * stands once, and the server makes the event, the source's row and the golden row of it. Sorted by key, so that two
 * writers wait for each other instead of deadlocking.
 */
export async function writeEffects(client: pg.PoolClient, lease: SyncLease, effects: BatchEffects): Promise<number | null> {
  const { rows, others } = rowsToWrite(effects);
  if (rows.length > 0) await writeRecords(client, rows);
  if (others.length > 0) await upsertStates(client, others);
  if (effects.counts.length > 0) await countOutcomes(client, lease, effects.counts);
  if (effects.conflicts.length > 0) await insertConflicts(client, effects);
  if (effects.replays.length > 0) await closeReplays(client, effects);
  return isEmpty(effects.outbox) ? null : insertOutbox(client, lease, effects.outbox);
}

/** An event and the states that hold exactly its record. */
interface RecordRow {
  readonly event: EventRow;
  kind: string | null;
  sourceVersion: number | null;
  goldenVersion: number | null;
}

function rowsToWrite({ events, states }: BatchEffects): { rows: RecordRow[]; others: StateRow[] } {
  const rows = events.map((event): RecordRow => ({ event, kind: null, sourceVersion: null, goldenVersion: null }));
  const byEvent = new Map(rows.map((row) => [row.event.eventId, row]));
  const others: StateRow[] = [];
  for (const state of states) {
    const row = byEvent.get(state.eventId);
    const golden = state.sourceType === goldenSourceType;
    if (
      row === undefined ||
      row.event.data !== state.data ||
      row.event.checksum !== state.checksum ||
      state.deleted !== (state.data === null)
    ) {
      others.push(state);
      continue;
    }
    row.kind = state.kind;
    if (golden) row.goldenVersion = state.version;
    else row.sourceVersion = state.version;
  }
  return { rows, others };
}

const upsertStateRow = `ON CONFLICT (entity_id, source_type) DO UPDATE SET version = excluded.version, position = excluded.position,
  status = excluded.status, data = excluded.data, checksum = excluded.checksum, event_id = excluded.event_id,
  last_sync_at = excluded.last_sync_at`;
const stateColumns = 'entity_id, source_type, kind, version, position, status, data, checksum, event_id, last_sync_at';

async function writeRecords(client: pg.PoolClient, rows: readonly RecordRow[]): Promise<void> {
  const { rows: answer } = await client.query<{ inserted: number }>({
    name: 'write-records',
    text: `WITH r AS MATERIALIZED (
             SELECT * FROM jsonb_to_recordset($1::jsonb) AS x(i uuid, s text, k text, o text, d jsonb, t timestamptz, u text, c text,
               r bigint, e text, p text, y text, n text, v bigint, g bigint)),
           events AS (
             INSERT INTO source_events (event_id, source_type, source_id, event_type, data, timestamp, status, checksum,
               received_at, entity_id, position, correlation_id)
             SELECT i, s, k, o, d, t, u, c, to_timestamp(r / 1000.0), e, p, y FROM r
             ON CONFLICT (event_id) DO NOTHING RETURNING 1),
           states AS (
             INSERT INTO sync_state (${stateColumns})
             SELECT e, w, n, z, q, CASE WHEN d IS NULL THEN 'deleted' ELSE 'synced' END, d, c, i, now()
             FROM (SELECT e, s AS w, n, v AS z, p AS q, d, c, i FROM r WHERE v IS NOT NULL
                   UNION ALL SELECT e, '${goldenSourceType}', n, g, NULL, d, c, i FROM r WHERE g IS NOT NULL) AS both_rows
             ORDER BY e, w
             ${upsertStateRow})
           SELECT count(*) AS inserted FROM events`,
    values: [rowsText(rows, recordJson)],
  });
  // Which of them were there already decides their outcome, so the batch is decided anew.
  const inserted = answer[0]!.inserted;
  if (inserted !== rows.length) throw new EventsKnown(`${rows.length - inserted} events of the batch are stored already`);
}

/** States that no event of the batch holds as it is: golden records merged from several sources. */
async function upsertStates(client: pg.PoolClient, states: readonly StateRow[]): Promise<void> {
  const sorted = [...states].sort(byKey);
  await client.query({
    name: 'write-states',
    text: `INSERT INTO sync_state (${stateColumns})
           SELECT e, s, k, v, p, CASE WHEN x THEN 'deleted' ELSE 'synced' END, d, c, i, now()
           FROM jsonb_to_recordset($1::jsonb) AS r(e text, s text, k text, v bigint, p text, x boolean, d jsonb, c text, i uuid)
           ${upsertStateRow}`,
    values: [rowsText(sorted, stateJson)],
  });
}

async function countOutcomes(client: pg.PoolClient, lease: SyncLease, counts: readonly OutcomeCount[]): Promise<void> {
  await client.query({
    name: 'write-counts',
    text: `INSERT INTO raw_outcomes AS o (raw_topic, raw_partition, outcome, counted_by, records)
           SELECT t, p, c, $1, n FROM unnest($2::text[], $3::int[], $4::text[], $5::bigint[]) AS x(t, p, c, n)
           ON CONFLICT (raw_topic, raw_partition, outcome, counted_by) DO UPDATE SET records = o.records + excluded.records`,
    values: [
      `${lease.topic}/${lease.partition}`,
      counts.map((count) => count.topic),
      counts.map((count) => count.partition),
      counts.map((count) => count.outcome),
      counts.map((count) => count.count),
    ],
  });
}

async function insertConflicts(client: pg.PoolClient, effects: BatchEffects): Promise<void> {
  const rows = effects.conflicts.map((conflict) => ({ ...conflict }));
  await client.query(
    `INSERT INTO conflict_log (conflict_id, entity_id, source_type, conflict_type, resolution, details)
     SELECT "conflictId", "entityId", "sourceType", "conflictType", resolution, details
     FROM jsonb_to_recordset($1::jsonb) AS r("conflictId" uuid, "entityId" text, "sourceType" text, "conflictType" text, resolution text, details jsonb)
     ON CONFLICT (conflict_id) DO NOTHING`,
    [stringifyExact(rows as never)],
  );
}

async function closeReplays(client: pg.PoolClient, effects: BatchEffects): Promise<void> {
  await client.query(
    `UPDATE dead_letters d SET status = CASE WHEN r.outcome IN ('stale', 'superseded') THEN 'superseded' ELSE 'applied' END,
       next_attempt_at = NULL, updated_at = now()
     FROM unnest($1::uuid[], $2::text[]) AS r(id, outcome) WHERE d.id = r.id AND d.status <> 'discarded'`,
    [effects.replays.map((replay) => replay.deadLetterId), effects.replays.map((replay) => replay.outcome)],
  );
}

async function insertOutbox(client: pg.PoolClient, lease: SyncLease, outbox: Outbox): Promise<number> {
  const { rows } = await client.query<{ id: number }>({
    name: 'write-outbox',
    text: 'INSERT INTO outbox (topic, partition, payload) VALUES ($1, $2, $3) RETURNING id',
    values: [lease.topic, lease.partition, JSON.stringify(outbox)],
  });
  return rows[0]!.id;
}

function isEmpty(outbox: Outbox): boolean {
  return outbox.resolved.length === 0 && outbox.deadLetters.length === 0 && outbox.forgets.length === 0;
}

function rowsText<R>(rows: readonly R[], toJson: (row: R) => object): string {
  return stringifyExact(rows.map(toJson) as never);
}

/** One-letter names: the text is read once by the server and every byte is parsed. */
function stateJson(row: StateRow): object {
  return {
    e: row.entityId,
    s: row.sourceType,
    k: row.kind,
    v: row.version,
    p: row.position,
    x: row.deleted,
    d: row.data,
    c: row.checksum,
    i: row.eventId,
  };
}

function recordJson({ event: row, kind, sourceVersion, goldenVersion }: RecordRow): object {
  return {
    i: row.eventId,
    s: row.sourceType,
    k: row.sourceId,
    o: row.operation,
    d: row.data,
    t: row.occurredAt,
    u: row.status,
    c: row.checksum,
    r: row.receivedAtMs,
    e: row.entityId,
    p: row.position,
    y: row.correlationId,
    n: kind,
    v: sourceVersion,
    g: goldenVersion,
  };
}

function byKey(left: StateRow, right: StateRow): number {
  if (left.entityId !== right.entityId) return left.entityId < right.entityId ? -1 : 1;
  return left.sourceType < right.sourceType ? -1 : 1;
}
