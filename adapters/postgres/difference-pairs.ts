import type pg from 'pg';
import type { DifferencePair } from '../../core/differences/difference-pair.ts';
import type { DifferenceRebuilds } from '../../core/ports/difference-pairs.ts';
import { unavailable } from './pool.ts';

/** Longer than the sync managers take to say that they still write by another configuration. */
const othersWriteMs = 20_000;
const removedAtOnce = 10_000;

const pairRows = 'jsonb_to_recordset($1::jsonb) AS c(l text, r text, k text, c text)';
const samePair = 'p.left_source = c.l AND p.right_source = c.r AND p.entity_kind = c.k';

/**
 * Makes this configuration the one that counts: pairs that are new or compared in another way have to be built, those that
 * are gone are no longer told. Called before anything is written by it.
 */
export async function claimPairs(pool: pg.Pool, pairs: readonly DifferencePair[]): Promise<void> {
  const client = await pool.connect().catch((error: unknown) => {
    throw unavailable(error);
  });
  try {
    await client.query('BEGIN');
    await client.query('LOCK TABLE difference_pairs IN SHARE ROW EXCLUSIVE MODE');
    await client.query(
      `INSERT INTO difference_pairs AS p (left_source, right_source, entity_kind, config_id, state, not_before)
       SELECT l, r, k, c, 'building', CASE WHEN EXISTS (SELECT FROM sync_state) THEN now() + $2 * interval '1 millisecond' ELSE now() END
       FROM ${pairRows} ORDER BY l, r, k
       ON CONFLICT (left_source, right_source, entity_kind) DO UPDATE
         SET config_id = excluded.config_id, state = 'building', generation = p.generation + 1, not_before = excluded.not_before
       WHERE p.config_id <> excluded.config_id`,
      [textOf(pairs), othersWriteMs],
    );
    await client.query(
      `UPDATE difference_pairs p SET state = 'removed', config_id = '', generation = p.generation + 1
       WHERE state <> 'removed' AND NOT EXISTS (SELECT FROM ${pairRows} WHERE ${samePair})`,
      [textOf(pairs)],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw unavailable(error);
  } finally {
    client.release();
  }
}

/**
 * Said again and again by every process that writes states: where its pairs are not those that count (somebody started with
 * another configuration), what it writes is decided by rules that count no more, and no pair can be exact before it ended.
 */
export async function confessOutdated(pool: pg.Pool, pairs: readonly DifferencePair[]): Promise<void> {
  await answered(
    pool.query(
      `UPDATE difference_pairs p SET state = 'building', generation = generation + 1, not_before = now() + $2 * interval '1 millisecond'
       WHERE state <> 'removed' AND NOT EXISTS (SELECT FROM ${pairRows} WHERE ${samePair} AND p.config_id = c.c)`,
      [textOf(pairs), othersWriteMs],
    ),
  );
}

/** Removes a portion of the rows of pairs that are compared no longer. False: nothing is left of them. */
export async function dropRemoved(pool: pg.Pool): Promise<boolean> {
  const { rowCount } = await answered(
    pool.query(
      `DELETE FROM differences WHERE (entity_id, left_source, right_source) IN (
         SELECT entity_id, left_source, right_source FROM differences d JOIN difference_pairs p USING (left_source, right_source, entity_kind)
         WHERE p.state = 'removed' LIMIT ${removedAtOnce})`,
    ),
  );
  return rowCount === removedAtOnce;
}

/** A pair that has to be built now, in the generation it is in. */
export interface PairToBuild {
  readonly pair: DifferencePair;
  readonly generation: number;
}

export async function pairsToBuild(pool: pg.Pool, pairs: readonly DifferencePair[]): Promise<PairToBuild[]> {
  const { rows } = await answered(
    pool.query<{ l: string; r: string; k: string; generation: number }>(
      `SELECT c.l, c.r, c.k, p.generation FROM difference_pairs p JOIN ${pairRows} ON ${samePair} AND p.config_id = c.c
       WHERE p.state = 'building' AND p.not_before <= now()`,
      [textOf(pairs)],
    ),
  );
  return rows.flatMap(({ l, r, k, generation }) =>
    pairs
      .filter(({ leftSource, rightSource, kind }) => leftSource === l && rightSource === r && kind === k)
      .map((pair) => ({ pair, generation })),
  );
}

export function createDifferenceRebuilds(pool: pg.Pool): DifferenceRebuilds {
  return {
    async request({ leftSource, rightSource, kind }) {
      const { rowCount } = await answered(
        pool.query(
          `UPDATE difference_pairs SET state = 'building', generation = generation + 1
           WHERE state <> 'removed' AND left_source = coalesce($1, left_source) AND right_source = coalesce($2, right_source)
             AND entity_kind = coalesce($3, entity_kind)`,
          [leftSource ?? null, rightSource ?? null, kind ?? null],
        ),
      );
      return rowCount ?? 0;
    },
  };
}

function textOf(pairs: readonly DifferencePair[]): string {
  return JSON.stringify(
    pairs.map(({ leftSource, rightSource, kind, configId }) => ({ l: leftSource, r: rightSource, k: kind, c: configId })),
  );
}

async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw unavailable(error);
  }
}
