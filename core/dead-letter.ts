import type { Origin } from './change-event.ts';
import { type ErrorCode, isSyncError, reasonOf } from './errors.ts';
import { deadLetterIdOf } from './event-id.ts';
import { partitionOf } from './partition.ts';
import type { OutgoingRecord } from './ports/event-log.ts';

export type DeadLetterStage = 'processor' | 'sync-manager';

/** A record that a stage could not process: where, why, and the bytes to try again. */
export interface DeadLetter {
  readonly id: string;
  readonly origin: Origin;
  readonly stage: DeadLetterStage;
  readonly source: string;
  readonly kind: string;
  readonly key: string | null;
  readonly eventId: string | null;
  readonly correlationId: string | null;
  readonly code: ErrorCode;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** The raw value as it stood on the topic, base64; null where the topic held none. */
  readonly body: string | null;
  readonly failedAtMs: number;
  /** The dead letter whose replay failed again. */
  readonly replayOf: string | null;
}

export interface DeadLetterSubject {
  readonly origin: Origin;
  readonly stage: DeadLetterStage;
  readonly source: string;
  readonly kind: string;
  readonly key: string | null;
  readonly eventId?: string | null;
  readonly correlationId?: string | null;
  readonly body: Buffer | null;
  readonly replayOf?: string | undefined;
}

const reasonCharactersMax = 2_000;

export function deadLetterOf(subject: DeadLetterSubject, error: unknown, failedAtMs: number): DeadLetter {
  const { origin } = subject;
  return {
    id: deadLetterIdOf(origin.topic, origin.partition, origin.offset),
    origin,
    stage: subject.stage,
    source: subject.source,
    kind: subject.kind,
    key: subject.key,
    eventId: subject.eventId ?? null,
    correlationId: subject.correlationId ?? null,
    code: isSyncError(error) ? error.code : 'store.rejected',
    reason: reasonOf(error).slice(0, reasonCharactersMax),
    details: isSyncError(error) ? error.details : {},
    body: subject.body === null ? null : subject.body.toString('base64'),
    failedAtMs,
    replayOf: subject.replayOf ?? null,
  };
}

export interface DeadLetterTopic {
  readonly topic: string;
  readonly partitions: number;
}

/** A letter and those of its replays share a partition, so they are heard of in their order. */
export function deadLetterMessages(letters: readonly DeadLetter[], { topic, partitions }: DeadLetterTopic): OutgoingRecord[] {
  return letters.map((letter) => {
    const key = letter.replayOf ?? letter.id;
    return { topic, partition: partitionOf(key, partitions), key, value: JSON.stringify(letter) };
  });
}
