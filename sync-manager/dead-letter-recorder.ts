import { z } from 'zod';
import type { DeadLetter } from '../core/dead-letter.ts';
import { type ErrorCode, errorCatalogue, reasonOf } from '../core/errors.ts';
import type { DeadLetterStore, RetryPolicy } from '../core/ports/dead-letter-store.ts';
import type { BatchVerdict, LogBatch, LogRecord, PartitionWorker } from '../core/ports/event-log.ts';
import type { LogReader } from '../core/ports/log-reader.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';

const letterSchema: z.ZodType<DeadLetter> = z.object({
  id: z.uuid(),
  origin: z.object({ topic: z.string(), partition: z.int(), offset: z.int() }),
  stage: z.enum(['processor', 'sync-manager']),
  source: z.string(),
  kind: z.string(),
  key: z.string().nullable(),
  eventId: z.string().nullable(),
  correlationId: z.string().nullable(),
  code: z.custom<ErrorCode>((code) => typeof code === 'string' && code in errorCatalogue),
  reason: z.string(),
  details: z.record(z.string(), z.unknown()),
  body: z.base64().nullable(),
  failedAtMs: z.number(),
  replayOf: z.uuid().nullable(),
});

export interface DeadLetterRecorderDeps {
  readonly store: DeadLetterStore;
  readonly reader: LogReader;
  readonly policy: RetryPolicy;
  readonly telemetry: Telemetry;
}

/** Dead-letter topic -> table. The topic is the way, the table what people ask; hearing of a letter twice changes nothing. */
export class DeadLetterRecorder implements PartitionWorker {
  readonly #deps: DeadLetterRecorderDeps;

  constructor(deps: DeadLetterRecorderDeps) {
    this.#deps = deps;
  }

  reassigned(): void {}

  async handle(batch: LogBatch): Promise<BatchVerdict> {
    const parsed = batch.records.flatMap((record) => this.#parse(batch, record));
    const letters = await Promise.all(parsed.map((letter) => this.#withBody(letter)));
    if (letters.length > 0) await this.#deps.store.record(letters, this.#deps.policy);
    return { kind: 'advance', nextOffset: batch.nextOffset };
  }

  #parse(batch: LogBatch, record: LogRecord): DeadLetter[] {
    try {
      return [letterSchema.parse(JSON.parse(record.value?.toString('utf8') ?? ''))];
    } catch (error) {
      // Only a stranger can have written it: there is no raw record behind it.
      this.#deps.telemetry.deadLettered({
        stage: 'dead-letters',
        source: 'unknown',
        code: 'record.malformed',
        reason: `${batch.topic}/${batch.partition}@${record.offset}: ${reasonOf(error)}`,
        correlationId: null,
        key: record.key,
      });
      return [];
    }
  }

  /** The sync manager does not have the raw bytes at hand; the raw topic has. */
  async #withBody(letter: DeadLetter): Promise<DeadLetter> {
    if (letter.body !== null) return letter;
    const record = await this.#deps.reader.recordAt(letter.origin, letter.origin.offset);
    return record?.value ? { ...letter, body: record.value.toString('base64') } : letter;
  }
}
