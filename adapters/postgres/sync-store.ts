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
import { isKnownEvent, writeBatch } from './batch-writer.ts';
import { faultOf, unavailable } from './pool.ts';

const repeatsMax = 8;
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

    async headsOf(entityIds) {
      const { rows } = await answered(() =>
        pool.query<HeadRecord>({
          name: 'sync-heads',
          text: `SELECT ${headColumns} FROM sync_state WHERE entity_id = ANY($1)`,
          values: [entityIds],
        }),
      );
      return rows.map(headOf);
    },

    async statesOf(entityIds) {
      const { rows } = await answered(() =>
        pool.query<StateRecord>({
          name: 'sync-states',
          text: `SELECT ${headColumns}, data::text, voice::text FROM sync_state WHERE entity_id = ANY($1)`,
          values: [entityIds],
        }),
      );
      return rows.map(stateOf);
    },

    async knownEvents(eventIds) {
      const { rows } = await answered(() =>
        pool.query<{ event_id: EventId }>('SELECT event_id FROM source_events WHERE event_id = ANY($1)', [eventIds]),
      );
      return new Set(rows.map((row) => row.event_id));
    },

    async unacknowledged(ledgerIds) {
      const { rows } = await answered(() =>
        // What was written to a record that stands under another entity by now says nothing of this one.
        pool.query<{ id: string }>(
          `SELECT e.id FROM echo_ledger e WHERE e.id = ANY($1) AND e.state = 'written' AND NOT EXISTS (
             SELECT FROM entity_bindings b WHERE b.source = e.target AND b.kind = e.kind AND b.key = e.key AND b.entity_id <> e.entity_id)`,
          [ledgerIds],
        ),
      );
      return new Set(rows.map((row) => row.id));
    },

    async write(lease, reach, effects) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await writeBatch(pool, lease, reach, effects);
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

    // A deletion lost in a crash is published once more, which is harmless: no need to wait for the disk.
    async clearOutbox(lease, ids) {
      const { rows } = await answered(() =>
        pool.query<{ held: boolean }>({
          name: 'outbox-clear',
          text: `WITH held AS (SELECT 1 FROM sync_progress WHERE topic = $1 AND partition = $2 AND token = $3),
                 gone AS (DELETE FROM outbox WHERE id = ANY($4) AND EXISTS (SELECT 1 FROM held))
                 SELECT EXISTS (SELECT 1 FROM held) AS held, set_config('synchronous_commit', 'off', true)`,
          values: [lease.topic, lease.partition, lease.token, ids],
        }),
      );
      return rows[0]!.held;
    },

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
