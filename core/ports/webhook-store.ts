import type { ConflictField } from '../conflict/conflict.ts';

/**
 * Open conflicts whose fields a webhook decides. The table is the queue: whoever claims a conflict has it for the lease,
 * and one whose process died comes due again. Two that ask about the same conflict do no harm, because the first answer
 * wins. Rejects with SyncError('postgres.unavailable').
 */
export interface WaitingConflict {
  readonly conflictId: string;
  readonly entityId: string;
  readonly kind: string;
  readonly conflictType: string;
  readonly fields: Readonly<Record<string, ConflictField>>;
  /** How often it was claimed, this time included. */
  readonly attempt: number;
  /** When its line was written last. */
  readonly updatedAt: string;
}

export interface WebhookStore {
  /** The longest due first, each to one caller. */
  claim(limit: number, leaseMs: number): Promise<readonly WaitingConflict[]>;
  /** Whether it is open and its line the one that was claimed. */
  isUnmoved(conflict: WaitingConflict): Promise<boolean>;
  /** It failed and comes due after the delay. */
  postpone(conflictId: string, delayMs: number, reason: string): Promise<void>;
  /** It was not asked after all: the claim does not count. */
  giveBack(conflictId: string, delayMs: number): Promise<void>;
  /** Nobody is asked about it any more. The reason is null where the webhook answered. */
  settle(conflictId: string, reason: string | null): Promise<void>;
}
