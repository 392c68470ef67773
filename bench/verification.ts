import assert from 'node:assert/strict';
import { logEnds } from '../adapters/kafka/offsets.ts';
import type { Rig } from './rig.ts';
import { rawTopic } from './workload.ts';

/** What has to stand in the tables when everything sent has been settled. */
export interface Expected {
  readonly sent: number;
  readonly applied: number;
  readonly unchanged: number;
  readonly entities: number;
  /** How many records may have passed the filter. */
  readonly forwardedMax?: number;
}

interface Found {
  readonly applied: number;
  readonly unchanged: number;
  readonly others: number;
  readonly by_sync_managers: number;
  readonly read: number;
  readonly forwarded: number;
  readonly events: number;
  readonly events_applied: number;
  readonly states: number;
  readonly golden: number;
  readonly versions: number;
  readonly conflicts: number;
  readonly dead: number;
  readonly outbox: number;
}

/**
 * Reads the destination with SQL of its own and the log's ends from Kafka: every count must equal what was sent, and
 * the outcomes must add up to it. A benchmark that loses or repeats something has measured nothing.
 */
export async function verify(rig: Rig, expected: Expected): Promise<void> {
  const ends = await logEnds(rig.kafka, [rawTopic]);
  const onTopic = ends.reduce((total, { start, end }) => total + end - start, 0);
  await settledOutbox(rig);
  const { rows } = await rig.pool.query<Found>(
    `SELECT (SELECT coalesce(sum(records) FILTER (WHERE outcome = 'applied'), 0)::float8 FROM raw_outcomes) AS applied,
       (SELECT coalesce(sum(records) FILTER (WHERE outcome = 'unchanged'), 0)::float8 FROM raw_outcomes) AS unchanged,
       (SELECT coalesce(sum(records) FILTER (WHERE outcome NOT IN ('applied', 'unchanged')), 0)::float8 FROM raw_outcomes) AS others,
       (SELECT coalesce(sum(records) FILTER (WHERE counted_by <> 'processor'), 0)::float8 FROM raw_outcomes) AS by_sync_managers,
       (SELECT coalesce(sum(next_offset), 0)::float8 FROM processor_progress WHERE topic = $1) AS read,
       (SELECT coalesce(sum(forwarded), 0)::float8 FROM processor_progress WHERE topic = $1) AS forwarded,
       (SELECT count(*)::float8 FROM source_events) AS events,
       (SELECT count(*)::float8 FROM source_events WHERE status = 'applied') AS events_applied,
       (SELECT count(*)::float8 FROM sync_state WHERE source_type = 'BENCH') AS states,
       (SELECT count(*)::float8 FROM sync_state WHERE source_type = 'GOLDEN') AS golden,
       (SELECT coalesce(sum(version), 0)::float8 FROM sync_state WHERE source_type = 'GOLDEN') AS versions,
       (SELECT count(*)::float8 FROM conflict_log) AS conflicts,
       (SELECT count(*)::float8 FROM dead_letters) AS dead,
       (SELECT count(*)::float8 FROM outbox) AS outbox`,
    [rawTopic],
  );
  const found = rows[0]!;
  const { sent, applied, unchanged, entities } = expected;
  assert.deepEqual(
    { onTopic, ...found },
    {
      onTopic: sent,
      applied,
      unchanged,
      others: 0,
      by_sync_managers: found.forwarded,
      read: sent,
      forwarded: found.forwarded,
      events: found.forwarded,
      events_applied: applied,
      states: entities,
      golden: entities,
      versions: applied,
      conflicts: 0,
      dead: 0,
      outbox: 0,
    },
    'what stands in the tables is not what was sent',
  );
  const { forwardedMax = sent } = expected;
  assert(found.forwarded <= forwardedMax, `${found.forwarded} records passed the filter, at most ${forwardedMax} may`);
  assert.equal(found.applied + found.unchanged + found.others, sent, 'the outcomes do not add up to what was sent');
}

const outboxPolls = 100;

/** The last batch's publication follows its commit; the row goes when Kafka has acknowledged it. */
async function settledOutbox(rig: Rig): Promise<void> {
  for (let poll = 0; poll < outboxPolls; poll++) {
    const { rows } = await rig.pool.query('SELECT 1 FROM outbox LIMIT 1');
    if (rows.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
