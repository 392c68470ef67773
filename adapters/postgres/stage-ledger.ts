import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import type { EntryClaim, ProcessorLease, RangeOutcome, StageLedger } from '../../core/ports/stage-ledger.ts';
import { combined } from './combined-calls.ts';
import { unavailable } from './pool.ts';
import { insertRefused, keyHashOf, newerRefused, refusedValues } from './refused-changes.ts';
import { type NamedRows, namedRowsFrom } from './rows.ts';

interface ProgressRow {
  token: number;
  next_offset: number;
  claimed_through: number;
  stopped_ahead: string[];
  era: string;
}

const countedBy = 'processor';

/** Invariant 2: whatever a processor records of a partition is a compare-and-set on its lease. */
export function createStageLedger(pool: pg.Pool): StageLedger {
  const rows = namedRowsFrom(pool, unavailable);
  const settle = combined<Settling, ProcessorLease | null>({
    together: (all) => settleAll(rows, all),
    // What was refused belongs to one lease, and goes by itself.
    weightOf: ({ outcome }) => ((outcome.refused ?? []).length === 0 ? 1 : settledAtOnceMax),
    weightMax: settledAtOnceMax,
  });

  return {
    async acquire(ref: PartitionRef, configId: string): Promise<ProcessorLease> {
      const [row] = await rows<ProgressRow>(
        'ledger-acquire',
        `INSERT INTO processor_progress AS p (topic, partition, token, era, config_id) VALUES ($1, $2, 1, $3, $4)
         ON CONFLICT (topic, partition) DO UPDATE SET token = p.token + 1, config_id = $4, updated_at = now(),
           era = CASE WHEN p.config_id = $4 THEN p.era ELSE $3 END
         RETURNING token, next_offset, claimed_through, stopped_ahead::text[], era`,
        [ref.topic, ref.partition, randomUUID(), configId],
      );
      return leaseOf(ref, row!);
    },

    async beginEra(lease) {
      const [row] = await rows<ProgressRow>(
        'ledger-era',
        `UPDATE processor_progress SET era = $4, updated_at = now() WHERE topic = $1 AND partition = $2 AND token = $3
         RETURNING token, next_offset, claimed_through, stopped_ahead::text[], era`,
        [lease.topic, lease.partition, lease.token, randomUUID()],
      );
      return row ? leaseOf(lease, row) : null;
    },

    async claim(lease, through, stopped) {
      const [row] = await rows<ProgressRow>(
        'ledger-claim',
        `UPDATE processor_progress SET claimed_through = greatest(claimed_through, $4), updated_at = now(),
           stopped_ahead = array(SELECT o FROM unnest(stopped_ahead) AS o WHERE o >= next_offset) || $5::bigint[]
         WHERE topic = $1 AND partition = $2 AND token = $3
         RETURNING token, next_offset, claimed_through, stopped_ahead::text[], era`,
        [lease.topic, lease.partition, lease.token, through, stopped],
      );
      return row ? leaseOf(lease, row) : null;
    },

    async proves(origin: PartitionRef, sourceType: string, claims: readonly EntryClaim[]) {
      const proved = await rows<{ n: number }>(
        'ledger-proves',
        `SELECT c.n FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::int[], $10::text[])
           WITH ORDINALITY AS c(entity_id, position, raw_offset, topic, partition, key_hash, n)
         JOIN sync_state s ON s.entity_id = c.entity_id AND s.source_type = $6 AND s.position = c.position
         JOIN sync_progress p ON p.topic = c.topic AND p.partition = c.partition
           AND (p.settled_through ->> $7)::bigint >= c.raw_offset
         WHERE NOT ${newerRefused(8)}`,
        [
          claims.map((claim) => claim.entityId),
          claims.map((claim) => claim.position),
          claims.map((claim) => claim.offset),
          claims.map((claim) => claim.canonical.topic),
          claims.map((claim) => claim.canonical.partition),
          sourceType,
          `${origin.topic}/${origin.partition}`,
          origin.topic,
          origin.partition,
          claims.map((claim) => keyHashOf(claim.key)),
        ],
      );
      const numbers = new Set(proved.map((row) => row.n));
      return claims.map((_, index) => numbers.has(index + 1));
    },

    settle: (lease, through, outcome) => settle({ lease, through, outcome }),
  };
}

interface Settling {
  readonly lease: ProcessorLease;
  readonly through: number;
  readonly outcome: RangeOutcome;
}

const settledAtOnceMax = 64;

/** One statement: the counts of a lease are added only if the compare-and-set found its row. */
async function settleAll(rows: NamedRows, all: readonly Settling[]): Promise<(ProcessorLease | null)[]> {
  const refused = all.flatMap(({ outcome }) => outcome.refused ?? []);
  const stopped = all.flatMap(({ outcome }, at) =>
    Object.entries(outcome.stopped).flatMap(([name, records]) => (records > 0 ? [{ n: at + 1, name, records }] : [])),
  );
  const moved = await rows<ProgressRow & { n: number }>(
    refused.length === 0 ? 'ledger-settle' : 'ledger-settle-refused',
    `WITH leases AS (
       SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
         WITH ORDINALITY AS l(topic, partition, token, next_offset, through, forwarded, n)),
     moved AS (
       UPDATE processor_progress p SET next_offset = l.through, forwarded = p.forwarded + l.forwarded, updated_at = now(),
         stopped_ahead = array(SELECT o FROM unnest(p.stopped_ahead) AS o WHERE o >= l.through)
       FROM leases l
       WHERE p.topic = l.topic AND p.partition = l.partition AND p.token = l.token AND p.next_offset = l.next_offset
       RETURNING l.n, p.topic, p.partition, p.token, p.next_offset, p.claimed_through, p.stopped_ahead::text[], p.era),
     counted AS (
       INSERT INTO raw_outcomes AS o (raw_topic, raw_partition, outcome, counted_by, records)
       SELECT moved.topic, moved.partition, s.outcome, '${countedBy}', s.records
       FROM moved JOIN unnest($7::bigint[], $8::text[], $9::bigint[]) AS s(n, outcome, records) USING (n)
       ON CONFLICT (raw_topic, raw_partition, outcome, counted_by) DO UPDATE SET records = o.records + excluded.records)
       ${refused.length === 0 ? '' : `, refused AS (${insertRefused(10, 'WHERE EXISTS (SELECT FROM moved)')})`}
     SELECT n, token, next_offset, claimed_through, stopped_ahead, era FROM moved`,
    [
      all.map(({ lease }) => lease.topic),
      all.map(({ lease }) => lease.partition),
      all.map(({ lease }) => lease.token),
      all.map(({ lease }) => lease.nextOffset),
      all.map(({ through }) => through),
      all.map(({ outcome }) => outcome.forwarded),
      stopped.map(({ n }) => n),
      stopped.map(({ name }) => name),
      stopped.map(({ records }) => records),
      ...(refused.length === 0 ? [] : refusedValues(refused)),
    ],
  );
  const leases = new Map(moved.map((row) => [row.n, row]));
  return all.map(({ lease }, at) => {
    const row = leases.get(at + 1);
    return row === undefined ? null : leaseOf(lease, row);
  });
}

function leaseOf(ref: PartitionRef, row: ProgressRow): ProcessorLease {
  return {
    topic: ref.topic,
    partition: ref.partition,
    token: row.token,
    previousToken: row.token - 1,
    nextOffset: row.next_offset,
    claimedThrough: row.claimed_through,
    stoppedAhead: row.stopped_ahead.map(Number),
    era: row.era,
  };
}
