import type pg from 'pg';
import type { SourceDesk, StreamRef, StreamView } from '../../core/ports/source-store.ts';
import { unavailable } from './pool.ts';
import { rowsFrom } from './rows.ts';

/** What begins anew or is paused is taken from its owner: the token makes its next step fail. */
const takenAway = 'token = token + 1, owner = NULL, updated_at = now()';

export function createSourceDesk(pool: pg.Pool): SourceDesk {
  const rows = rowsFrom(pool, unavailable);

  async function change({ source, stream }: StreamRef, assignments: string, ...values: unknown[]): Promise<boolean> {
    const found = await rows(`UPDATE source_streams SET ${assignments} WHERE source = $1 AND stream = $2 RETURNING 1`, [
      source,
      stream,
      ...values,
    ]);
    return found.length > 0;
  }

  return {
    async streams() {
      return rows<StreamView & pg.QueryResultRow>(
        `SELECT source, stream, state, phase, reason, error_code AS "errorCode", epoch, token, mark, rows AS changes,
           CASE WHEN owner_seen_at > clock_timestamp() - interval '10 seconds' THEN owner END AS owner, lag_ms AS "lagMs",
           floor(extract(epoch FROM updated_at) * 1000)::bigint AS "updatedAtMs"
         FROM source_streams ORDER BY source, stream`,
        [],
      );
    },
    pause: (ref, by) => change(ref, `state = 'paused', reason = $3, error_code = NULL, ${takenAway}`, `paused by ${by}`),
    resume: (ref) => change(ref, `state = 'running', accepted = TRUE, reason = NULL, error_code = NULL, ${takenAway}`),
    resync: (ref) =>
      change(
        ref,
        `epoch = epoch + 1, mark = NULL, phase = 'snapshot', state = 'running', rows = 0, reason = NULL, error_code = NULL, ${takenAway}`,
      ),
  };
}
