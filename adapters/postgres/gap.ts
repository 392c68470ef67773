import type pg from 'pg';

export interface LogBegin {
  readonly topic: string;
  readonly partition: number;
  /** The first offset that is still there. */
  readonly start: number;
}

export interface AcceptedGap {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Moves a stage on to where its log begins now. What retention deleted unread of a raw topic is counted as `filtered`, so
 * that the sum of all records still holds and shows how many were given up. The lease rises: a running owner starts anew.
 */
export async function acceptGap(
  pool: pg.Pool,
  begin: LogBegin,
  table: 'processor_progress' | 'sync_progress',
): Promise<AcceptedGap | null> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const { rows } = await client.query<{ next_offset: number }>(
      `SELECT next_offset FROM ${table} WHERE topic = $1 AND partition = $2 FOR UPDATE`,
      [begin.topic, begin.partition],
    );
    const from = rows[0]?.next_offset ?? 0;
    if (from >= begin.start) {
      await client.query('ROLLBACK');
      return null;
    }
    await client.query(
      `UPDATE ${table} SET next_offset = $3, token = token + 1, updated_at = now() WHERE topic = $1 AND partition = $2`,
      [begin.topic, begin.partition, begin.start],
    );
    if (table === 'processor_progress') {
      await client.query(
        `INSERT INTO raw_outcomes AS o (raw_topic, raw_partition, outcome, counted_by, records) VALUES ($1, $2, 'filtered', 'processor', $3)
         ON CONFLICT (raw_topic, raw_partition, outcome, counted_by) DO UPDATE SET records = o.records + excluded.records`,
        [begin.topic, begin.partition, begin.start - from],
      );
    }
    await client.query('COMMIT');
    return { topic: begin.topic, partition: begin.partition, from, to: begin.start };
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}
