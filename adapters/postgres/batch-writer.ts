import type pg from 'pg';
import { goldenSourceType } from '../../core/change-event.ts';
import { stringifyExact } from '../../core/json.ts';
import {
  type BatchEffects,
  type ConflictRow,
  type EventRow,
  movedTo,
  publishesNothing,
  type StateKey,
  type StateRow,
  type SyncLease,
  type SyncReach,
  type Written,
} from '../../core/ports/sync-store.ts';
import { combined } from './combined-calls.ts';
import { writeDifferences } from './differences-writer.ts';
import { keepRefused } from './refused-changes.ts';
import { noteWriteBacks } from './write-backs.ts';

/** Beyond it a statement is long enough to go alone. */
const rowsTogetherMax = 600;

/** A batch on its way into the tables. */
export interface BatchWrite {
  readonly lease: SyncLease;
  readonly reach: SyncReach;
  readonly effects: BatchEffects;
}

/**
 * A batch is one statement wherever it is made of records and what follows from them alone, which is nearly always: one
 * round trip, and a transaction of its own. Small ones of several partitions share it.
 */
export function batchWriter(pool: pg.Pool): (write: BatchWrite) => Promise<Written | null> {
  const writePlain = combined<BatchWrite, Written | null>({
    together: (writes) => writeRecords(pool, writes),
    weightOf: ({ effects }) => effects.states.length + effects.events.length,
    weightMax: rowsTogetherMax,
  });
  return (write) => (isPlain(write.effects) ? writePlain(write) : writeMixed(pool, write));
}

/** What else a batch brings is written behind its records in the same transaction. */
async function writeMixed(pool: pg.Pool, write: BatchWrite): Promise<Written | null> {
  const { effects } = write;
  const { removals = [] } = effects;
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    const [written] = await writeRecords(client, [write]);
    if (written) {
      if (removals.length > 0) await removeStates(client, removals);
      if (effects.conflicts.length > 0) await writeConflicts(client, effects.conflicts);
      if (effects.writeBacks.length > 0) await noteWriteBacks(client, effects.writeBacks);
      await writeDifferences(client, effects.differences);
      if (effects.replays.length > 0) await closeReplays(client, effects);
      if (effects.refused.length > 0) await keepRefused(client, effects.refused);
    }
    await client.query(written ? 'COMMIT' : 'ROLLBACK');
    return written ?? null;
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Which of the batch's events were stored already decides their outcome, so it is decided anew. */
export function isKnownEvent(error: unknown): boolean {
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return code === '23505' && constraint === 'source_events_pkey';
}

function isPlain({ conflicts, replays, refused, writeBacks, differences, removals: left = [] }: BatchEffects): boolean {
  const { upserts, removals } = differences;
  return [conflicts, replays, refused, writeBacks, upserts, removals, left].every((rows) => rows.length === 0);
}

/** An event and the states that hold exactly its record, of the lease with this number. */
interface RecordRow {
  readonly lease: number;
  readonly event: EventRow;
  source?: StateRow;
  golden?: StateRow;
}

interface BatchRows {
  readonly rows: readonly RecordRow[];
  /** States that no event of the batch holds as it is: golden records merged from several sources. */
  readonly others: readonly OtherRow[];
}

interface OtherRow {
  readonly lease: number;
  readonly state: StateRow;
}

function rowsToWrite({ effects: { events, states } }: BatchWrite, lease: number): BatchRows {
  const rows = events.map((event): RecordRow => ({ lease, event }));
  const byEvent = new Map(rows.map((row) => [row.event.eventId, row]));
  const others: OtherRow[] = [];
  for (const state of states) {
    const row = byEvent.get(state.eventId);
    const golden = state.sourceType === goldenSourceType;
    if (
      row === undefined ||
      row.event.data !== state.data ||
      row.event.checksum !== state.checksum ||
      state.deleted !== (state.data === null) ||
      waits(state)
    ) {
      others.push({ lease, state });
      continue;
    }
    if (golden) row.golden = state;
    else row.source = state;
  }
  return { rows, others };
}

function waits({ voice }: StateRow): boolean {
  return voice !== null && 'open' in voice && voice.open !== undefined;
}

const upsertStateRow = `ON CONFLICT (entity_id, source_type) DO UPDATE SET version = excluded.version, position = excluded.position,
  status = excluded.status, data = excluded.data, checksum = excluded.checksum, event_id = excluded.event_id,
  last_sync_at = excluded.last_sync_at, voice = excluded.voice, tenure = excluded.tenure`;
const stateColumns =
  'entity_id, source_type, kind, version, position, status, data, checksum, event_id, last_sync_at, voice, tenure';

/**
 * Invariant 3: the offset moves by compare-and-set, and every row of a batch waits for its own, so a zombie's batch
 * fails whole. The rows travel as one JSON text in which each record stands once, and the server makes the event, the
 * source's row and the golden row of it. Sorted by key, so that two writers wait for each other instead of deadlocking.
 */
async function writeRecords(client: pg.Pool | pg.PoolClient, writes: readonly BatchWrite[]): Promise<(Written | null)[]> {
  const batches = writes.map(rowsToWrite);
  const counts = writes.flatMap(({ effects }, lease) => effects.counts.map((count) => ({ ...count, lease })));
  const { rows: answer } = await client.query<{ n: number; outbox_id: number | null }>({
    name: 'sync-write',
    text: `WITH leases AS (
             SELECT *, (n - 1)::int AS j FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::jsonb[], $7::jsonb[])
               WITH ORDINALITY AS l(topic, partition, token, next_offset, through, settled_through, payload, n)),
           moved AS (
             UPDATE sync_progress p SET next_offset = l.through, settled_through = l.settled_through, updated_at = now()
             FROM leases l
             WHERE p.topic = l.topic AND p.partition = l.partition AND p.token = l.token AND p.next_offset = l.next_offset
             RETURNING l.j, l.topic, l.partition, l.payload),
           r AS MATERIALIZED (
             SELECT * FROM jsonb_to_recordset($8::jsonb) AS x(i uuid, s text, k text, o text, d jsonb, t timestamptz, u text, c text,
               r bigint, e text, p text, y text, n text, v bigint, g bigint, w jsonb, h jsonb, m bigint, l jsonb, z int, j int)
             WHERE coalesce(j, 0) IN (SELECT moved.j FROM moved)),
           q AS MATERIALIZED (
             SELECT * FROM jsonb_to_recordset($9::jsonb) AS x(e text, s text, k text, v bigint, p text, u text, d jsonb, c text,
               i uuid, w jsonb, z int, j int)
             WHERE coalesce(j, 0) IN (SELECT moved.j FROM moved)),
           events AS (
             INSERT INTO source_events (event_id, source_type, source_id, event_type, data, timestamp, status, checksum,
               received_at, entity_id, position, correlation_id, golden_version, golden_data)
             SELECT i, s, k, o, d, t, u, c, to_timestamp(r / 1000.0), e, p, y, m, l -> 0 FROM r),
           states AS (
             INSERT INTO sync_state (${stateColumns})
             SELECT e, s, k, v, p, coalesce(u, CASE WHEN d IS NULL THEN 'deleted' ELSE 'synced' END), d, c, i, now(), w, z
             FROM (SELECT e, s, n AS k, v, p, NULL::text AS u, d, c, i, w, z FROM r WHERE v IS NOT NULL
                   UNION ALL SELECT e, '${goldenSourceType}', n, g, NULL, NULL, d, c, i, h, NULL FROM r WHERE g IS NOT NULL
                   UNION ALL SELECT e, s, k, v, p, u, d, c, i, w, z FROM q) AS rows
             ORDER BY e, s
             ${upsertStateRow}),
           counts AS (
             INSERT INTO raw_outcomes AS o (raw_topic, raw_partition, outcome, counted_by, records)
             SELECT x.t, x.p, x.c, moved.topic || '/' || moved.partition, x.n
             FROM unnest($10::text[], $11::int[], $12::text[], $13::bigint[], $14::int[]) AS x(t, p, c, n, j) JOIN moved USING (j)
             ON CONFLICT (raw_topic, raw_partition, outcome, counted_by) DO UPDATE SET records = o.records + excluded.records),
           published AS (
             INSERT INTO outbox (topic, partition, payload)
             SELECT topic, partition, payload FROM moved WHERE payload IS NOT NULL RETURNING id, topic, partition)
           SELECT moved.j AS n, published.id AS outbox_id FROM moved LEFT JOIN published USING (topic, partition)`,
    values: [
      writes.map(({ lease }) => lease.topic),
      writes.map(({ lease }) => lease.partition),
      writes.map(({ lease }) => lease.token),
      writes.map(({ lease }) => lease.nextOffset),
      writes.map(({ reach }) => reach.through),
      writes.map(({ reach }) => JSON.stringify(reach.settledThrough)),
      writes.map(({ effects: { outbox } }) => (publishesNothing(outbox) ? null : JSON.stringify(outbox))),
      rowsText(
        batches.flatMap(({ rows }) => rows),
        recordJson,
      ),
      rowsText(
        batches.flatMap(({ others }) => others),
        stateJson,
      ),
      counts.map(({ topic }) => topic),
      counts.map(({ partition }) => partition),
      counts.map(({ outcome }) => outcome),
      counts.map(({ count }) => count),
      counts.map(({ lease }) => lease),
    ],
  });
  const moved = new Map(answer.map((row) => [row.n, row.outbox_id]));
  return writes.map(({ lease, reach }, n) => {
    const outboxId = moved.get(n);
    return outboxId === undefined ? null : { lease: movedTo(lease, reach), outboxId };
  });
}

/** A conflict that is known already has moved or ended; one that ended stays as it ended. */
async function writeConflicts(client: pg.PoolClient, conflicts: readonly ConflictRow[]): Promise<void> {
  await client.query(
    `INSERT INTO conflict_log AS c (conflict_id, entity_id, kind, source_type, conflict_type, status, resolution, fields, details)
     SELECT i, e, k, s, t, u, r, ARRAY(SELECT jsonb_array_elements_text(f)), d
     FROM jsonb_to_recordset($1::jsonb) AS x(i uuid, e text, k text, s text, t text, u text, r text, f jsonb, d jsonb)
     ON CONFLICT (conflict_id) DO UPDATE SET status = excluded.status, resolution = excluded.resolution, fields = excluded.fields,
       details = excluded.details, updated_at = now()
     WHERE c.status = 'open'`,
    [rowsText(conflicts, conflictJson)],
  );
}

/** Of records that left their entity. */
async function removeStates(client: pg.PoolClient, rows: readonly StateKey[]): Promise<void> {
  await client.query(
    `DELETE FROM sync_state s USING unnest($1::text[], $2::text[]) AS r(entity_id, source_type)
     WHERE s.entity_id = r.entity_id AND s.source_type = r.source_type`,
    [rows.map(({ entityId }) => entityId), rows.map(({ sourceType }) => sourceType)],
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

function rowsText<R>(rows: readonly R[], toJson: (row: R) => object): string {
  return stringifyExact(rows.map(toJson) as never);
}

/** One-letter names: the text is read once by the server and every byte is parsed. */
function stateJson({ state: row, lease }: OtherRow): object {
  return {
    j: leaseNumber(lease),
    e: row.entityId,
    s: row.sourceType,
    k: row.kind,
    v: row.version,
    p: row.position,
    u: row.deleted ? 'deleted' : waits(row) ? 'conflict' : 'synced',
    d: row.data,
    c: row.checksum,
    i: row.eventId,
    w: row.voice,
    z: row.tenure,
  };
}

function recordJson({ event: row, source, golden, lease }: RecordRow): object {
  return {
    j: leaseNumber(lease),
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
    n: (source ?? golden)?.kind,
    v: source?.version,
    g: golden?.version,
    w: source?.voice,
    z: source?.tenure,
    h: golden?.voice,
    m: row.goldenVersion,
    // In a list, because a null of JSON's own would become none at all.
    l: row.goldenData === undefined ? undefined : [row.goldenData],
  };
}

/** The first goes without saying, and most batches have no other. */
function leaseNumber(lease: number): number | undefined {
  return lease === 0 ? undefined : lease;
}

function conflictJson(row: ConflictRow): object {
  return {
    i: row.conflictId,
    e: row.entityId,
    k: row.kind,
    s: row.sourceType,
    t: row.conflictType,
    u: row.status,
    r: row.resolution,
    f: row.fields,
    d: row.details,
  };
}
