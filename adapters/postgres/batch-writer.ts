import type pg from 'pg';
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
 * One statement a table, whatever the number of rows: the rows travel as one JSON text and are taken apart by the
 * server. Sorted by key, so that two writers wait for each other instead of deadlocking.
 */
export async function writeEffects(client: pg.PoolClient, lease: SyncLease, effects: BatchEffects): Promise<number | null> {
  if (effects.states.length > 0) await upsertStates(client, effects.states);
  if (effects.events.length > 0) await insertEvents(client, effects.events);
  if (effects.counts.length > 0) await countOutcomes(client, lease, effects.counts);
  if (effects.conflicts.length > 0) await insertConflicts(client, effects);
  if (effects.replays.length > 0) await closeReplays(client, effects);
  return isEmpty(effects.outbox) ? null : insertOutbox(client, lease, effects.outbox);
}

async function upsertStates(client: pg.PoolClient, states: readonly StateRow[]): Promise<void> {
  const sorted = [...states].sort(byKey);
  await client.query({
    name: 'write-states',
    text: `INSERT INTO sync_state AS s (entity_id, source_type, kind, version, position, status, data, checksum, event_id, last_sync_at)
           SELECT e, s, k, v, p, CASE WHEN x THEN 'deleted' ELSE 'synced' END, d, c, i, now()
           FROM jsonb_to_recordset($1::jsonb) AS r(e text, s text, k text, v bigint, p text, x boolean, d jsonb, c text, i uuid)
           ON CONFLICT (entity_id, source_type) DO UPDATE SET version = excluded.version, position = excluded.position,
             status = excluded.status, data = excluded.data, checksum = excluded.checksum, event_id = excluded.event_id,
             last_sync_at = excluded.last_sync_at`,
    values: [rowsText(sorted, stateJson)],
  });
}

async function insertEvents(client: pg.PoolClient, events: readonly EventRow[]): Promise<void> {
  const { rowCount } = await client.query({
    name: 'write-events',
    text: `INSERT INTO source_events (event_id, source_type, source_id, event_type, data, timestamp, status, checksum,
             received_at, entity_id, position, correlation_id)
           SELECT i, s, k, o, d, t, u, c, to_timestamp(r / 1000.0), e, p, y
           FROM jsonb_to_recordset($1::jsonb) AS x(i uuid, s text, k text, o text, d jsonb, t timestamptz, u text, c text, r bigint,
             e text, p text, y text)
           ON CONFLICT (event_id) DO NOTHING`,
    values: [rowsText(events, eventJson)],
  });
  // Which of them were there already decides their outcome, so the batch is decided anew.
  if (rowCount !== events.length)
    throw new EventsKnown(`${events.length - (rowCount ?? 0)} events of the batch are stored already`);
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

function eventJson(row: EventRow): object {
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
  };
}

function byKey(left: StateRow, right: StateRow): number {
  if (left.entityId !== right.entityId) return left.entityId < right.entityId ? -1 : 1;
  return left.sourceType < right.sourceType ? -1 : 1;
}
