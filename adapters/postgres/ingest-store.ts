import type pg from 'pg';
import type { DrawnRecord, IngestClaim, IngestStore } from '../../core/ports/ingest-store.ts';
import { unavailable } from './pool.ts';
import { namedRowsFrom } from './rows.ts';

interface RequestRow {
  scope: string;
  idempotency_key: string;
  body_hash: string;
  drawn_positions: DrawnRecord[];
  accepted: boolean;
}

export function createIngestStore(pool: pg.Pool): IngestStore {
  const rows = namedRowsFrom(pool, unavailable);

  return {
    async reserve({ atLeastUs, drawnUs, aheadUs }) {
      // The server's clock is read when the row is ours, so that of two readings the later is never the lower. Where it
      // was set back while nobody was there who knew better, the shared clock goes on above all that may have been drawn.
      const [row] = await rows<{ now_us: number; through_us: number }>(
        'ingest-reserve',
        `WITH before AS (SELECT through_us FROM position_clock)
         UPDATE position_clock AS p SET (shift_us, read_us, through_us) = (
           SELECT shared - server, shared, greatest(p.through_us, shared + $3::bigint, $2::bigint)
           FROM (SELECT server, CASE WHEN $1::bigint IS NULL AND server + p.shift_us < p.read_us THEN p.through_us
                                     ELSE greatest(server + p.shift_us, p.read_us, $1::bigint) END AS shared
                 FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS server) AS own) AS clocks)
         RETURNING read_us AS now_us, (SELECT through_us FROM before) AS through_us`,
        [atLeastUs, drawnUs, aheadUs],
      );
      return { nowUs: row!.now_us, reservedThroughUs: row!.through_us };
    },

    async claim(claims) {
      // Sorted, so that two processes claiming the same keys wait for each other instead of deadlocking.
      const first = [...firstOfEach(claims).values()].sort((left, right) => (idOf(left) < idOf(right) ? -1 : 1));
      // The update that changes nothing locks the row that is there and brings it back.
      const found = await rows<RequestRow>(
        'ingest-claim',
        `INSERT INTO ingest_requests AS i (scope, idempotency_key, body_hash, drawn_positions)
         SELECT s, k, h, d FROM jsonb_to_recordset($1::jsonb) AS r(s text, k text, h text, d jsonb)
         ON CONFLICT (scope, idempotency_key) DO UPDATE SET accepted = i.accepted
         RETURNING scope, idempotency_key, body_hash, drawn_positions, accepted`,
        [JSON.stringify(first.map((claim) => ({ s: claim.scope, k: claim.idempotencyKey, h: claim.bodyHash, d: claim.drawn })))],
      );
      const byId = new Map(found.map((row) => [`${row.scope}\0${row.idempotency_key}`, row]));
      return claims.map((claim) => {
        const row = byId.get(idOf(claim))!;
        return { ...claim, bodyHash: row.body_hash, drawn: row.drawn_positions, accepted: row.accepted };
      });
    },

    async markAccepted(requests) {
      await rows(
        'ingest-accepted',
        `UPDATE ingest_requests i SET accepted = TRUE FROM unnest($1::text[], $2::text[]) AS r(scope, key)
         WHERE i.scope = r.scope AND i.idempotency_key = r.key AND NOT i.accepted`,
        [requests.map((request) => request.scope), requests.map((request) => request.idempotencyKey)],
      );
    },

    async forget(beforeMs, limit) {
      const gone = await rows(
        'ingest-forget',
        `DELETE FROM ingest_requests WHERE ctid = ANY(ARRAY(
           SELECT ctid FROM ingest_requests WHERE created_at < to_timestamp($1 / 1000.0) LIMIT $2)) RETURNING 1`,
        [beforeMs, limit],
      );
      return gone.length;
    },
  };
}

function firstOfEach(claims: readonly IngestClaim[]): Map<string, IngestClaim> {
  const first = new Map<string, IngestClaim>();
  for (const claim of claims) if (!first.has(idOf(claim))) first.set(idOf(claim), claim);
  return first;
}

function idOf(claim: IngestClaim): string {
  return `${claim.scope}\0${claim.idempotencyKey}`;
}
