import type { DeadLetter, DeadLetterStage } from '../dead-letter.ts';
import type { Page, PageRequest } from './read-store.ts';

/**
 * waiting     is tried again by itself at `nextAttemptAt`
 * parked      waits for a human
 * replaying   its bytes are on the raw topic again; tried once more when nothing is heard of it
 * applied, superseded, discarded   are final
 */
export const deadLetterStatuses = ['waiting', 'parked', 'replaying', 'applied', 'superseded', 'discarded'] as const;
export type DeadLetterStatus = (typeof deadLetterStatuses)[number];

export interface RetryPolicy {
  /** How often a letter is tried again by itself before it is parked. */
  readonly attemptsMax: number;
  /** Doubles with every attempt, up to `delayMsMax`. */
  readonly delayMs: number;
  readonly delayMsMax: number;
}

export interface DeadLetterRow {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly stage: DeadLetterStage;
  readonly source: string;
  readonly kind: string;
  readonly key: string | null;
  readonly eventId: string | null;
  readonly correlationId: string | null;
  readonly code: string;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly status: DeadLetterStatus;
  readonly attempts: number;
  readonly nextAttemptAt: string | null;
  readonly failedAt: string;
  readonly updatedAt: string;
}

export interface DeadLetterFilter {
  readonly ids?: readonly string[] | undefined;
  readonly status?: readonly DeadLetterStatus[] | undefined;
  readonly source?: string | undefined;
  readonly kind?: string | undefined;
  readonly code?: string | undefined;
}

/** What is needed to put a letter's bytes on its raw topic again. */
export interface ReplayableLetter {
  readonly id: string;
  readonly topic: string;
  readonly partition: number;
  readonly key: string | null;
  readonly body: Buffer | null;
}

export interface DeadLetterStore {
  /**
   * Keeps letters as they arrive on the dead-letter topic, in their order; safe to repeat. One that says `replayOf`
   * is no new letter: the one it names failed again.
   */
  record(letters: readonly DeadLetter[], policy: RetryPolicy): Promise<void>;
  list(filter: DeadLetterFilter, page: PageRequest): Promise<Page<DeadLetterRow>>;
  find(id: string): Promise<(DeadLetterRow & { readonly body: Buffer | null }) | null>;
  count(filter: DeadLetterFilter): Promise<number>;
  /**
   * Marks letters as replaying and returns them, the oldest first. Committed before they are sent: who crashes
   * between leaves a letter that is due again at `nextAttemptAt`. Final letters are never touched.
   */
  beginReplay(filter: DeadLetterFilter, limit: number, nextAttemptAtMs: number): Promise<readonly ReplayableLetter[]>;
  /** The same for letters whose time has come; two sweepers never take one letter at once. */
  beginDue(nowMs: number, limit: number, nextAttemptAtMs: number): Promise<readonly ReplayableLetter[]>;
  /** False where the letter is final or is not there. Who and why stay in its details. */
  discard(id: string, by: string, reason: string, atMs: number): Promise<boolean>;
}
