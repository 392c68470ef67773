import type pg from 'pg';
import type { OutcomeRow, ProcessorProgress, SyncProgress } from '../../core/accounting.ts';
import type { ProgressSnapshot } from '../../core/ports/read-store.ts';

/** Expects a transaction that sees one state throughout. */
export async function progressSnapshot(client: pg.PoolClient): Promise<ProgressSnapshot> {
  const processors = await client.query<ProcessorProgress>(
    'SELECT topic, partition, next_offset AS "nextOffset", forwarded FROM processor_progress ORDER BY topic, partition',
  );
  const syncManagers = await client.query<SyncProgress>(
    'SELECT topic, partition, next_offset AS "nextOffset" FROM sync_progress ORDER BY topic, partition',
  );
  const outcomes = await client.query<OutcomeRow>(
    'SELECT raw_topic AS topic, raw_partition AS partition, outcome, counted_by AS "countedBy", records FROM raw_outcomes',
  );
  return { processors: processors.rows, syncManagers: syncManagers.rows, outcomes: outcomes.rows };
}
