import { logEnds } from '../../adapters/kafka/offsets.ts';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import type { VerificationPassage } from '../../core/ports/verification-passage.ts';
import type { RoleContext } from './role-context.ts';

const lookIntervalMs = 200;
const patienceMs = 60_000;

type Progress = PartitionRef & { readonly nextOffset: number };

/** Stage by stage: where its topics end now, and then until it is there. What a stage sends on the next one has on its topic by then. */
export function pipelinePassage(
  context: Pick<RoleContext, 'kafka' | 'pool' | 'plans' | 'topics' | 'clock'>,
): VerificationPassage {
  const { kafka, pool, plans, topics, clock } = context;

  async function progress(text: string, values: unknown[]): Promise<ReadonlyMap<string, number>> {
    const { rows } = await pool.query<Progress>(text, values);
    return new Map(rows.map((row) => [`${row.topic}/${row.partition}`, row.nextOffset]));
  }

  async function reaches(of: readonly string[], read: () => Promise<ReadonlyMap<string, number>>, wait: Wait): Promise<boolean> {
    const ends = await logEnds(kafka, of);
    return wait(async () => {
      const reached = await read();
      return ends.every(({ topic, partition, end }) => (reached.get(`${topic}/${partition}`) ?? 0) >= end);
    });
  }

  const columns = 'topic, partition, next_offset AS "nextOffset"';
  const processed = (of: readonly string[]) => progress(`SELECT ${columns} FROM processor_progress WHERE topic = ANY($1)`, [of]);
  const stored = (topic: string) => progress(`SELECT ${columns} FROM sync_progress WHERE topic = $1`, [topic]);
  const written = (target: string, topic: string) =>
    progress(`SELECT ${columns} FROM target_progress WHERE target = $1 AND topic = $2`, [target, topic]);

  /** Batches are committed with what they still have to publish. */
  async function published(canonical: string, wait: Wait): Promise<boolean> {
    const { rows } = await pool.query<{ last: number }>(
      'SELECT coalesce(max(id), 0)::bigint AS last FROM outbox WHERE topic = $1',
      [canonical],
    );
    return wait(async () => {
      const left = await pool.query('SELECT FROM outbox WHERE topic = $1 AND id <= $2 LIMIT 1', [canonical, rows[0]!.last]);
      return left.rowCount === 0;
    });
  }

  return {
    async passed(kind, target, signal) {
      const untilMs = clock.nowMs() + patienceMs;
      const wait: Wait = async (isThere) => {
        while (!(await isThere())) {
          if (signal.aborted || clock.nowMs() > untilMs) return false;
          await clock.sleep(lookIntervalMs, signal);
        }
        return true;
      };
      const raw = plans.filter((plan) => plan.kind === kind).map((plan) => plan.rawTopic);
      const [canonical, resolved] = [topics.canonical(kind), topics.resolved(kind)];
      if (raw.length === 0) return true;
      if (!(await reaches(raw, () => processed(raw), wait))) return false;
      if (!(await reaches([canonical], () => stored(canonical), wait))) return false;
      if (!(await published(canonical, wait))) return false;
      if (target === null) return true;
      if (!(await reaches([resolved], () => written(target, resolved), wait))) return false;
      // The word of what was written comes back this way.
      return reaches([canonical], () => stored(canonical), wait);
    },
  };
}

type Wait = (isThere: () => Promise<boolean>) => Promise<boolean>;
