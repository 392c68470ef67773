import type pg from 'pg';
import type { JsonObject } from '../../core/json.ts';
import type { SourceMark, StreamPhase } from '../../core/ports/source-connector.ts';
import type { SourceStore, StreamLease, StreamRef } from '../../core/ports/source-store.ts';
import { unavailable } from './pool.ts';
import { namedRowsFrom } from './rows.ts';

interface LeaseRow {
  source: string;
  stream: string;
  token: number;
  epoch: number;
  mark: SourceMark | null;
  phase: StreamPhase;
  accepted: boolean;
}

const leaseColumns = 's.source, s.stream, s.token, s.epoch, s.mark, s.phase, s.accepted';
const isHeld = `s.source = $1 AND s.stream = $2 AND s.token = $3 AND s.epoch = $4 AND s.state = 'running'`;

export function createSourceStore(pool: pg.Pool): SourceStore {
  const rows = namedRowsFrom(pool, unavailable);

  return {
    async acquire(refs, owner, silentMs) {
      const found = await rows<LeaseRow>(
        'source-acquire',
        `INSERT INTO source_streams AS s (source, stream, token, owner)
         SELECT r.source, r.stream, 1, $3 FROM unnest($1::text[], $2::text[]) AS r(source, stream) ORDER BY 1, 2
         ON CONFLICT (source, stream) DO UPDATE SET token = s.token + 1, owner = excluded.owner, owner_seen_at = clock_timestamp()
         WHERE s.state = 'running' AND (s.owner IS NULL OR s.owner = excluded.owner
           OR s.owner_seen_at < clock_timestamp() - make_interval(secs => $4::float / 1000))
         RETURNING ${leaseColumns}`,
        [...namesOf(refs), owner, silentMs],
      );
      return found.map((row) => ({ ...row }));
    },

    async renew(leases) {
      if (leases.length === 0) return [];
      const held = await rows<StreamRef>(
        'source-renew',
        `UPDATE source_streams s SET owner_seen_at = clock_timestamp()
         FROM unnest($1::text[], $2::text[], $3::bigint[], $4::int[]) AS r(source, stream, token, epoch)
         WHERE s.source = r.source AND s.stream = r.stream AND s.token = r.token AND s.epoch = r.epoch AND s.state = 'running'
         RETURNING s.source, s.stream`,
        [...namesOf(leases), leases.map(({ token }) => token), leases.map(({ epoch }) => epoch)],
      );
      const names = new Set(held.map(nameOf));
      return leases.filter((lease) => names.has(nameOf(lease)));
    },

    async advance(lease, { mark, phase, lagMs, changes, put, remove }) {
      const [moved] = await rows(
        put.length + remove.length === 0 ? 'source-advance' : 'source-advance-notes',
        `WITH moved AS (
           UPDATE source_streams s SET mark = $5, phase = $6, lag_ms = $7, rows = rows + $8, error_code = NULL, reason = NULL,
             accepted = FALSE, owner_seen_at = clock_timestamp(), updated_at = now()
           WHERE ${isHeld} RETURNING s.source, s.stream)
         ${put.length + remove.length === 0 ? '' : notesText}
         SELECT 1 FROM moved`,
        [
          ...holdingOf(lease),
          JSON.stringify(mark),
          phase,
          lagMs,
          changes,
          ...(put.length + remove.length === 0
            ? []
            : [
                remove,
                put.map(({ name }) => name),
                put.map(({ head }) => JSON.stringify(head)),
                put.map(({ body }) => Buffer.from(body)),
              ]),
        ],
      );
      return moved === undefined ? null : { ...lease, mark, phase, accepted: false };
    },

    async fail(lease, code, reason, pause) {
      await rows(
        'source-fail',
        `UPDATE source_streams s SET error_code = $5, reason = $6,
           updated_at = CASE WHEN s.error_code IS NULL OR $7 THEN now() ELSE s.updated_at END,
           state = CASE WHEN $7 THEN 'paused' ELSE s.state END, owner = CASE WHEN $7 THEN NULL ELSE s.owner END
         WHERE ${isHeld}`,
        [...holdingOf(lease), code, reason, pause],
      );
    },

    async restart(lease) {
      const [row] = await rows<LeaseRow>(
        'source-restart',
        `UPDATE source_streams s SET epoch = s.epoch + 1, mark = NULL, phase = 'snapshot', rows = 0, updated_at = now()
         WHERE ${isHeld} RETURNING ${leaseColumns}`,
        holdingOf(lease),
      );
      return row === undefined ? null : { ...row };
    },

    async release(leases) {
      if (leases.length === 0) return;
      await rows(
        'source-release',
        `UPDATE source_streams s SET owner = NULL
         FROM unnest($1::text[], $2::text[], $3::bigint[]) AS r(source, stream, token)
         WHERE s.source = r.source AND s.stream = r.stream AND s.token = r.token`,
        [...namesOf(leases), leases.map(({ token }) => token)],
      );
    },

    notes({ source, stream }) {
      return {
        heads: (after, limit) =>
          rows<{ name: string; head: JsonObject }>(
            'source-note-heads',
            'SELECT name, head FROM source_notes WHERE source = $1 AND stream = $2 AND name > $3 ORDER BY name LIMIT $4',
            [source, stream, after, limit],
          ),
        async body(name) {
          const [row] = await rows<{ body: Buffer }>(
            'source-note-body',
            'SELECT body FROM source_notes WHERE source = $1 AND stream = $2 AND name = $3',
            [source, stream, name],
          );
          return row?.body ?? null;
        },
      };
    },
  };
}

const notesText = `,
  removed AS (DELETE FROM source_notes n USING moved WHERE n.source = moved.source AND n.stream = moved.stream AND n.name = ANY($9)),
  put AS (INSERT INTO source_notes (source, stream, name, head, body)
          SELECT moved.source, moved.stream, p.name, p.head, p.body
          FROM moved, unnest($10::text[], $11::json[], $12::bytea[]) AS p(name, head, body)
          ON CONFLICT (source, stream, name) DO UPDATE SET head = excluded.head, body = excluded.body)`;

function namesOf(refs: readonly StreamRef[]): [string[], string[]] {
  return [refs.map(({ source }) => source), refs.map(({ stream }) => stream)];
}

function holdingOf({ source, stream, token, epoch }: StreamLease): unknown[] {
  return [source, stream, token, epoch];
}

function nameOf({ source, stream }: StreamRef): string {
  return `${source}\0${stream}`;
}
