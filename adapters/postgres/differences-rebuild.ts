import type pg from 'pg';
import type { Checksum, EntityId } from '../../core/change-event.ts';
import { type ComparedRow, type Difference, type DifferenceKey, differenceOf } from '../../core/differences/difference.ts';
import type { DifferencePair } from '../../core/differences/difference-pair.ts';
import { type JsonObject, parseExact } from '../../core/json.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { advisoryLocks } from './advisory-locks.ts';
import { dropRemoved, type PairToBuild, pairsToBuild } from './difference-pairs.ts';
import { writeDifferences } from './differences-writer.ts';
import { unavailable } from './pool.ts';

const chunkEntities = 500;

export interface RebuildOptions {
  readonly pool: pg.Pool;
  readonly pairs: readonly DifferencePair[];
  /** The canonical topic of a kind and its partitions: who writes states there waits while a chunk is compared. */
  readonly canonicalTopicOf: (kind: string) => string;
  readonly partitions: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Compares everything of the pairs that are `building` and makes them `exact`, and removes what is left of pairs that are
 * gone. Resolves to those that became exact: another process that builds, or a configuration that changed meanwhile, leaves
 * the rest for the next time.
 */
export async function rebuildDifferences(options: RebuildOptions): Promise<DifferencePair[]> {
  const { pool, pairs, signal } = options;
  while (!signal.aborted && (await dropRemoved(pool)));
  const waiting = await pairsToBuild(pool, pairs);
  if (waiting.length === 0) return [];
  const client = await pool.connect().catch((error: unknown) => {
    throw unavailable(error);
  });
  let broken: Error | undefined;
  try {
    const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [
      advisoryLocks.differenceRebuild,
    ]);
    if (!rows[0]!.held) return [];
    const built: DifferencePair[] = [];
    for (const task of waiting) {
      if (signal.aborted) break;
      if (await rebuildPair(client, task, options)) built.push(task.pair);
    }
    await client.query('SELECT pg_advisory_unlock($1)', [advisoryLocks.differenceRebuild]);
    return built;
  } catch (error) {
    // The connection takes its lock with it.
    broken = error instanceof Error ? error : new Error(String(error));
    if (signal.aborted) return [];
    throw unavailable(error);
  } finally {
    client.release(broken);
  }
}

async function rebuildPair(client: pg.PoolClient, { pair, generation }: PairToBuild, options: RebuildOptions): Promise<boolean> {
  const { clock, signal, partitions } = options;
  const topic = options.canonicalTopicOf(pair.kind);
  // A partition nobody has owned yet must have a row to lock too.
  await client.query(
    'INSERT INTO sync_progress (topic, partition, token) SELECT $1, n, 0 FROM generate_series(0, $2::int - 1) AS n ON CONFLICT DO NOTHING',
    [topic, partitions],
  );
  for (let after = ''; ; ) {
    const startedMs = clock.nowMs();
    const ids = await rebuildChunk(client, pair, topic, after);
    if (ids.length < chunkEntities) break;
    after = ids.at(-1)!;
    // Half of the time belongs to the stream.
    await clock.sleep(clock.nowMs() - startedMs, signal);
  }
  const { rowCount } = await client.query(
    `UPDATE difference_pairs SET state = 'exact'
     WHERE left_source = $1 AND right_source = $2 AND entity_kind = $3 AND config_id = $4 AND generation = $5 AND state = 'building'`,
    [pair.leftSource, pair.rightSource, pair.kind, pair.configId, generation],
  );
  return rowCount === 1;
}

/**
 * States are written by transactions that move their partition's offset first. With all offsets of the kind locked no such
 * transaction is under way, so what is read here stands until the chunk is committed.
 */
async function rebuildChunk(client: pg.PoolClient, pair: DifferencePair, topic: string, after: string): Promise<EntityId[]> {
  await client.query('BEGIN');
  try {
    await client.query('SELECT FROM sync_progress WHERE topic = $1 ORDER BY partition FOR UPDATE', [topic]);
    const ids = await nextEntities(client, pair, after);
    if (ids.length > 0) {
      const rows = await rowsOf(client, pair, ids);
      const upserts: Difference[] = [];
      const removals: DifferenceKey[] = [];
      for (const entityId of ids) {
        const own = rows.get(entityId) ?? [];
        const [left, right] = [pair.leftSource, pair.rightSource].map((side) => own.find((row) => row.sourceType === side));
        const difference = differenceOf(pair, left, right);
        if (difference !== null) upserts.push(difference);
        else removals.push(keyOf(pair, entityId));
      }
      await writeDifferences(client, { upserts, removals });
    }
    await client.query('COMMIT');
    return ids;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Entities either source has, and those that are said to differ: one of the latter may be gone from both. */
async function nextEntities(client: pg.PoolClient, pair: DifferencePair, after: string): Promise<EntityId[]> {
  const ofSource = (parameter: string) =>
    `(SELECT entity_id FROM sync_state WHERE source_type = ${parameter} AND kind = $3 AND entity_id > $4 ORDER BY entity_id LIMIT ${chunkEntities})`;
  const { rows } = await client.query<{ entity_id: EntityId }>({
    name: 'differences-next',
    text: `SELECT entity_id FROM (
             ${ofSource('$1')} UNION ${ofSource('$2')} UNION
             (SELECT entity_id FROM differences WHERE left_source = $1 AND right_source = $2 AND entity_kind = $3 AND entity_id > $4
              ORDER BY entity_id LIMIT ${chunkEntities})) AS next
           ORDER BY entity_id LIMIT ${chunkEntities}`,
    values: [pair.leftSource, pair.rightSource, pair.kind, after],
  });
  return rows.map((row) => row.entity_id);
}

interface StateText {
  readonly entity_id: EntityId;
  readonly source_type: string;
  readonly status: string;
  readonly checksum: Checksum | null;
  readonly data: string | null;
}

async function rowsOf(
  client: pg.PoolClient,
  pair: DifferencePair,
  ids: readonly EntityId[],
): Promise<Map<EntityId, ComparedRow[]>> {
  const { rows } = await client.query<StateText>({
    name: 'differences-states',
    text: 'SELECT entity_id, source_type, status, checksum, data::text FROM sync_state WHERE entity_id = ANY($1) AND source_type IN ($2, $3)',
    values: [ids, pair.leftSource, pair.rightSource],
  });
  const compared = rows.map(
    (row): ComparedRow => ({
      entityId: row.entity_id,
      sourceType: row.source_type,
      deleted: row.status === 'deleted',
      checksum: row.checksum,
      data: row.data === null ? null : (parseExact(row.data) as JsonObject),
    }),
  );
  return Map.groupBy(compared, ({ entityId }) => entityId);
}

function keyOf({ leftSource, rightSource, kind, configId }: DifferencePair, entityId: EntityId): DifferenceKey {
  return { entityId, leftSource, rightSource, entityKind: kind, configId };
}
