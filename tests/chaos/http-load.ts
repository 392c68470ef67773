import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../simulation/random.ts';
import { judge } from './log-model.ts';
import { readAll, topicsOf } from './topics.ts';

export interface HttpLoad {
  /** The ids of what was answered with 200. */
  readonly accepted: readonly string[];
  /** Answers that were none: refused connections, broken ones, 5xx. */
  readonly failures: number;
  stop(): Promise<void>;
}

const lanes = 3;
const pauseMs = 20;

/** Posts users over HTTP, each lane to keys of its own and one after another; what fails is not repeated. */
export function startHttpLoad(api: string, random: Random): HttpLoad {
  const accepted: string[] = [];
  let failures = 0;
  let stopping = false;
  const lane = async (number: number) => {
    while (!stopping) {
      const user = { name: random.pick(['Ada', 'Grace', 'Alan']), email: `http${number}-${random.below(10)}@example.com` };
      try {
        const response = await fetch(`${api}/users`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(user),
          signal: AbortSignal.timeout(20_000),
        });
        if (response.status === 200) accepted.push(((await response.json()) as { id: string }).id);
        else failures++;
      } catch {
        failures++;
      }
      await sleep(pauseMs);
    }
  };
  const running = Array.from({ length: lanes }, (_, number) => lane(number));
  return {
    accepted,
    get failures() {
      return failures;
    },
    async stop() {
      stopping = true;
      await Promise.all(running);
    },
  };
}

/** Those of the ids that no record of the raw topics carries. */
export async function missingFromTheLog(kafka: string, prefix: string, ids: readonly string[]): Promise<string[]> {
  const records = (await Promise.all(topicsOf(prefix).raw.map((topic) => readAll(kafka, topic)))).flat();
  const found = new Set(
    records.map((record) => {
      const verdict = judge(record);
      return verdict.kind === 'change' ? verdict.event.eventId : null;
    }),
  );
  return ids.filter((id) => !found.has(id));
}
