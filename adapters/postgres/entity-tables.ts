import type pg from 'pg';
import { type Checksum, type EntityId, type EventId, goldenSourceType } from '../../core/change-event.ts';
import type { Difference } from '../../core/differences/difference.ts';
import type { DifferencePair } from '../../core/differences/difference-pair.ts';
import { type JsonObject, parseExact } from '../../core/json.ts';
import type { StateRow } from '../../core/ports/sync-store.ts';
import type { EntityTables, EntityTablesChunk, VerificationTables } from '../../core/ports/verification-tables.ts';
import type { Position } from '../../core/position.ts';
import { unavailable } from './pool.ts';

interface Row {
  entity_id: EntityId;
  source_type: string;
  kind: string;
  version: number;
  position: Position | null;
  status: string;
  checksum: Checksum | null;
  event_id: EventId;
  data: string | null;
  voice: string | null;
  event_found: boolean;
  event_checksum: string | null;
}

interface DifferenceRow extends Pick<Difference, 'leftSource' | 'rightSource' | 'kind'> {
  readonly entity_id: EntityId;
}

/** One snapshot: what one transaction wrote is seen whole, so that whatever does not fit together is a fault. */
export async function entityTables(
  pool: pg.Pool,
  kind: string,
  which: Parameters<VerificationTables['consistency']>[1],
  pairs: readonly DifferencePair[],
): Promise<EntityTablesChunk> {
  const client = await pool.connect().catch((error: unknown) => {
    throw unavailable(error);
  });
  let broken: Error | undefined;
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const ids = 'limit' in which ? await nextEntities(client, kind, which.after, which.limit) : [...which];
    const rows = await rowsOf(client, ids);
    const exact = pairs.length === 0 ? [] : await exactPairs(client, kind, pairs);
    const differences = exact.length === 0 ? new Map<EntityId, DifferenceRow[]>() : await differencesOf(client, ids);
    await client.query('COMMIT');
    return {
      entities: ids.map((entityId) => tablesOf(entityId, rows.get(entityId) ?? [], differences.get(entityId) ?? [])),
      exact,
    };
  } catch (error) {
    await client.query('ROLLBACK').catch((failed: Error) => {
      broken = failed;
    });
    throw unavailable(error);
  } finally {
    client.release(broken);
  }
}

async function nextEntities(client: pg.PoolClient, kind: string, after: EntityId | null, limit: number): Promise<EntityId[]> {
  const { rows } = await client.query<{ entity_id: EntityId }>(
    `SELECT DISTINCT entity_id FROM sync_state WHERE kind = $1 AND entity_id > $2 ORDER BY entity_id LIMIT $3`,
    [kind, after ?? '', limit],
  );
  return rows.map((row) => row.entity_id);
}

/** A row that our own write-back made names the event of another source: that one did not bring its data. */
async function rowsOf(client: pg.PoolClient, ids: readonly EntityId[]): Promise<Map<EntityId, Row[]>> {
  const { rows } = await client.query<Row>(
    `SELECT s.entity_id, s.source_type, s.kind, s.version, s.position, s.status, s.checksum, s.event_id, s.data::text, s.voice::text,
            e.event_id IS NOT NULL AS event_found, e.checksum AS event_checksum
     FROM sync_state s LEFT JOIN source_events e
       ON e.event_id = s.event_id AND e.source_type = s.source_type AND s.source_type <> '${goldenSourceType}'
          AND s.position = e.position
     WHERE s.entity_id = ANY($1)`,
    [ids],
  );
  return Map.groupBy(rows, (row) => row.entity_id);
}

async function exactPairs(client: pg.PoolClient, kind: string, pairs: readonly DifferencePair[]): Promise<DifferencePair[]> {
  const { rows } = await client.query<{ left_source: string; right_source: string; config_id: string }>(
    `SELECT left_source, right_source, config_id FROM difference_pairs WHERE entity_kind = $1 AND state = 'exact'`,
    [kind],
  );
  return pairs.filter((pair) =>
    rows.some(
      (row) => row.left_source === pair.leftSource && row.right_source === pair.rightSource && row.config_id === pair.configId,
    ),
  );
}

async function differencesOf(client: pg.PoolClient, ids: readonly EntityId[]): Promise<Map<EntityId, DifferenceRow[]>> {
  const { rows } = await client.query<DifferenceRow>(
    `SELECT entity_id, left_source AS "leftSource", right_source AS "rightSource", kind FROM differences WHERE entity_id = ANY($1)`,
    [ids],
  );
  return Map.groupBy(rows, (row) => row.entity_id);
}

function tablesOf(entityId: EntityId, rows: readonly Row[], differences: readonly DifferenceRow[]): EntityTables {
  return {
    entityId,
    rows: rows.map(
      (row): StateRow => ({
        entityId,
        sourceType: row.source_type,
        kind: row.kind,
        version: row.version,
        position: row.position,
        deleted: row.status === 'deleted',
        checksum: row.checksum,
        eventId: row.event_id,
        data: row.data === null ? null : (parseExact(row.data) as JsonObject),
        voice: row.voice === null ? null : (parseExact(row.voice) as unknown as StateRow['voice']),
      }),
    ),
    eventChecksums: new Map(rows.flatMap((row) => (row.event_found ? [[row.event_id, row.event_checksum] as const] : []))),
    differences,
  };
}
