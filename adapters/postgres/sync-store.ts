import type pg from 'pg';
import type { Checksum, EntityId, EventId, GoldenRecord } from '../../core/change-event.ts';
import { goldenSourceType } from '../../core/change-event.ts';
import { type JsonObject, nestingMax, parseExact } from '../../core/json.ts';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import {
  BatchRejected,
  EventsKnown,
  type Outbox,
  type OutboxRow,
  type StateHead,
  type StateRow,
  type SyncLease,
  type SyncStore,
} from '../../core/ports/sync-store.ts';
import type { Position } from '../../core/position.ts';
import { batchWriter, isKnownEvent } from './batch-writer.ts';
import { combined } from './combined-calls.ts';
import { faultOf, unavailable } from './pool.ts';
import { readWriteBacks } from './write-backs.ts';

const repeatsMax = 8;
const entitiesTogetherMax = 500;
/** A record and what stands around it. */
const outboxLevels = nestingMax + 8;

interface LeaseRow {
  token: number;
  next_offset: number;
  settled_through: string;
}

interface HeadRecord {
  entity_id: EntityId;
  source_type: string;
  kind: string;
  version: number;
  position: Position | null;
  status: string;
  checksum: Checksum | null;
  event_id: EventId;
  tenure: number | null;
}

interface StateRecord extends HeadRecord {
  data: string | null;
  voice: string | null;
}

const headColumns = 'entity_id, source_type, kind, version, position, status, checksum, event_id, tenure';

export function createSyncStore(pool: pg.Pool): SyncStore {
  const writeBatch = batchWriter(pool);
  const states = combined<readonly EntityId[], readonly StateRow[]>({
    together: (asked) => readStates(pool, asked),
    weightOf: (entityIds) => entityIds.length,
    weightMax: entitiesTogetherMax,
  });
  const heads = combined<readonly EntityId[], readonly StateHead[]>({
    together: (asked) => readHeads(pool, asked),
    weightOf: (entityIds) => entityIds.length,
    weightMax: entitiesTogetherMax,
  });
  const clear = combined<Clearing, boolean>({
    together: (all) => clearAll(pool, all),
    weightOf: ({ ids }) => ids.length,
    weightMax: entitiesTogetherMax,
  });

  return {
    async acquire(ref: PartitionRef): Promise<SyncLease> {
      const { rows } = await answered(() =>
        pool.query<LeaseRow>({
          name: 'sync-acquire',
          text: `INSERT INTO sync_progress AS p (topic, partition, token) VALUES ($1, $2, 1)
                 ON CONFLICT (topic, partition) DO UPDATE SET token = p.token + 1, updated_at = now()
                 RETURNING token, next_offset, settled_through::text`,
          values: [ref.topic, ref.partition],
        }),
      );
      const row = rows[0]!;
      return {
        topic: ref.topic,
        partition: ref.partition,
        token: row.token,
        nextOffset: row.next_offset,
        settledThrough: JSON.parse(row.settled_through) as Record<string, number>,
      };
    },

    headsOf: (entityIds) => answered(() => heads(entityIds)),

    statesOf: (entityIds) => answered(() => states(entityIds)),

    async knownEvents(eventIds) {
      const { rows } = await answered(() =>
        pool.query<{ event_id: EventId }>('SELECT event_id FROM source_events WHERE event_id = ANY($1)', [eventIds]),
      );
      return new Set(rows.map((row) => row.event_id));
    },

    writeBacksOf: (targets, entityIds) => answered(() => readWriteBacks(pool, targets, entityIds)),

    async write(lease, reach, effects) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await writeBatch({ lease, reach, effects });
        } catch (error) {
          if (isKnownEvent(error)) throw new EventsKnown('an event of the batch is stored already');
          const fault = faultOf(error);
          if (fault === 'data') throw new BatchRejected(error instanceof Error ? error.message : String(error), { cause: error });
          if (fault === 'world' || attempt === repeatsMax) throw unavailable(error);
        }
      }
    },

    async pendingOutbox(lease) {
      const { rows } = await answered(() =>
        pool.query<{ id: number; payload: string }>(
          'SELECT id, payload::text FROM outbox WHERE topic = $1 AND partition = $2 ORDER BY id',
          [lease.topic, lease.partition],
        ),
      );
      // Records that move lie in it, with all their digits.
      return rows.map((row): OutboxRow => ({ id: row.id, ...(parseExact(row.payload, outboxLevels) as unknown as Outbox) }));
    },

    async strandedOutbox(olderThanMs) {
      const { rows } = await answered(() =>
        pool.query<PartitionRef>(
          `SELECT DISTINCT topic, partition FROM outbox WHERE created_at <= now() - $1 * interval '1 millisecond'`,
          [olderThanMs],
        ),
      );
      return rows;
    },

    clearOutbox: (lease, ids) => answered(() => clear({ lease, ids })),

    async goldenOf(entityIds) {
      const { rows } = await answered(() =>
        pool.query<Omit<StateRecord, 'voice'> & { last_sync_at: Date; epoch: number }>(
          `SELECT ${headColumns}, data::text, last_sync_at,
                  (SELECT epoch FROM installation) AS epoch
           FROM sync_state WHERE source_type = $1 AND entity_id = ANY($2)`,
          [goldenSourceType, entityIds],
        ),
      );
      return rows.map(
        (row): GoldenRecord => ({
          entityId: row.entity_id,
          kind: row.kind,
          version: { epoch: row.epoch, n: row.version },
          deleted: row.status === 'deleted',
          data: dataOf(row.data),
          eventId: row.event_id,
          updatedAt: row.last_sync_at.toISOString(),
        }),
      );
    },

    async epoch() {
      const { rows } = await answered(() => pool.query<{ epoch: number }>('SELECT epoch FROM installation'));
      return rows[0]!.epoch;
    },
  };
}

/** By their key, entity by entity: a planner that knows nothing of a young table would read it whole. */
const statesAsked = `unnest($1::text[]) AS asked(id) CROSS JOIN LATERAL (
  SELECT * FROM sync_state r WHERE r.entity_id = asked.id OFFSET 0) AS s`;

async function readHeads(pool: pg.Pool, asked: readonly (readonly EntityId[])[]): Promise<StateHead[][]> {
  const { rows } = await pool.query<HeadRecord>({
    name: 'sync-heads',
    text: `SELECT ${headColumns} FROM ${statesAsked}`,
    values: [asked.flat()],
  });
  return toWhoAsked(asked, rows.map(headOf));
}

async function readStates(pool: pg.Pool, asked: readonly (readonly EntityId[])[]): Promise<StateRow[][]> {
  const { rows } = await pool.query<StateRecord>({
    name: 'sync-states',
    text: `SELECT ${headColumns}, data::text, voice::text FROM ${statesAsked}`,
    values: [asked.flat()],
  });
  return toWhoAsked(asked, rows.map(stateOf));
}

function toWhoAsked<Row extends StateHead>(asked: readonly (readonly EntityId[])[], rows: Row[]): Row[][] {
  if (asked.length === 1) return [rows];
  const byEntity = Map.groupBy(rows, ({ entityId }) => entityId);
  return asked.map((entityIds) => entityIds.flatMap((entityId) => byEntity.get(entityId) ?? []));
}

interface Clearing {
  readonly lease: SyncLease;
  readonly ids: readonly number[];
}

/** A deletion lost in a crash is published once more, which is harmless: no need to wait for the disk. */
async function clearAll(pool: pg.Pool, all: readonly Clearing[]): Promise<boolean[]> {
  const { rows } = await pool.query<{ held: number[] }>({
    name: 'outbox-clear',
    text: `WITH held AS (
             SELECT l.n FROM unnest($1::text[], $2::int[], $3::bigint[]) WITH ORDINALITY AS l(topic, partition, token, n)
             JOIN sync_progress p ON p.topic = l.topic AND p.partition = l.partition AND p.token = l.token),
           gone AS (DELETE FROM outbox USING unnest($4::bigint[], $5::int[]) AS c(id, n) WHERE outbox.id = c.id AND c.n IN (SELECT n FROM held))
           SELECT array(SELECT n::int FROM held) AS held, set_config('synchronous_commit', 'off', true)`,
    values: [
      all.map(({ lease }) => lease.topic),
      all.map(({ lease }) => lease.partition),
      all.map(({ lease }) => lease.token),
      all.flatMap(({ ids }) => ids),
      all.flatMap(({ ids }, at) => ids.map(() => at + 1)),
    ],
  });
  const held = new Set(rows[0]!.held);
  return all.map((_one, at) => held.has(at + 1));
}

function headOf(row: HeadRecord): StateHead {
  return {
    entityId: row.entity_id,
    sourceType: row.source_type,
    kind: row.kind,
    version: row.version,
    position: row.position,
    deleted: row.status === 'deleted',
    checksum: row.checksum,
    eventId: row.event_id,
    ...(row.tenure === null ? {} : { tenure: row.tenure }),
  };
}

function stateOf(row: StateRecord): StateRow {
  // Nobody but the conflict engine writes voices, and through this store.
  const voice = row.voice === null ? null : (parseExact(row.voice) as unknown as StateRow['voice']);
  return { ...headOf(row), data: dataOf(row.data), voice };
}

function dataOf(text: string | null): JsonObject | null {
  return text === null ? null : (parseExact(text) as JsonObject);
}

async function answered<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw unavailable(error);
  }
}
