import { rawHeaders } from '../core/change-event.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { DeadLetterFilter, DeadLetterStore, ReplayableLetter } from '../core/ports/dead-letter-store.ts';
import type { LogProducer, OutgoingRecord } from '../core/ports/event-log.ts';

/** How long a replayed letter may be silent before it is sent again: sending twice is harmless, forgetting is not. */
export const replayPatienceMs = 5 * 60_000;
/** Letters of one send; bodies are at most a record each. */
const lettersAtOnceMax = 50;

/**
 * Puts dead letters on their raw topics again, in the partition they came from, and returns how many. Invariant 4
 * makes it safe: one that was overtaken by a newer record of its key ends as superseded, whatever is replayed when.
 */
export async function replayDeadLetters(
  store: DeadLetterStore,
  producer: LogProducer,
  clock: Clock,
  filter: DeadLetterFilter,
  limit: number,
): Promise<number> {
  return inPortions(limit, producer, (portion) => store.beginReplay(filter, portion, clock.nowMs() + replayPatienceMs));
}

/** Letters whose time to be tried again has come. */
export async function retryDueDeadLetters(
  store: DeadLetterStore,
  producer: LogProducer,
  clock: Clock,
  limit = 1_000,
): Promise<number> {
  return inPortions(limit, producer, (portion) => store.beginDue(clock.nowMs(), portion, clock.nowMs() + replayPatienceMs));
}

async function inPortions(
  limit: number,
  producer: LogProducer,
  begin: (portion: number) => Promise<readonly ReplayableLetter[]>,
): Promise<number> {
  let sent = 0;
  while (sent < limit) {
    const portion = Math.min(lettersAtOnceMax, limit - sent);
    const letters = await begin(portion);
    if (letters.length > 0) await producer.send(letters.map(rawRecordOf));
    sent += letters.length;
    if (letters.length < portion) break;
  }
  return sent;
}

function rawRecordOf(letter: ReplayableLetter): OutgoingRecord {
  return {
    topic: letter.topic,
    partition: letter.partition,
    key: letter.key ?? '',
    value: letter.body,
    headers: { [rawHeaders.replayOf]: letter.id },
  };
}
