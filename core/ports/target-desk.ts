import type { Page, PageRequest } from './read-store.ts';
import type { GuardState, TargetLetter, TargetLetterStatus } from './target-store.ts';

export interface TargetLetterFilter {
  readonly ids?: readonly string[] | undefined;
  readonly target?: string | undefined;
  readonly status?: readonly TargetLetterStatus[] | undefined;
  readonly kind?: string | undefined;
  readonly code?: string | undefined;
  readonly entityId?: string | undefined;
}

/** What a person does about targets. */
export interface TargetDesk {
  letters(filter: TargetLetterFilter, page: PageRequest): Promise<Page<TargetLetter>>;
  count(filter: TargetLetterFilter): Promise<number>;
  /** Has parked letters tried again, the oldest first, and thaws what was frozen; returns how many. */
  replay(filter: TargetLetterFilter, limit: number): Promise<number>;
  /** False where the letter is final or is not there. */
  discard(id: string, by: string, reason: string): Promise<boolean>;
  guards(): Promise<readonly ({ readonly target: string } & GuardState)[]>;
  /** Lets a target go on, and holds nothing back until then. False where it is not known. */
  approve(target: string, by: string, untilMs: number): Promise<boolean>;
}
