import type { BreakerRules } from '../core/config/targets.ts';
import { SyncError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Leaves a target alone that does not answer. Closed: every call goes through. Open: none does, for a while that doubles.
 * Half-open: one goes through, and what becomes of it decides.
 */
export class TargetBreaker {
  readonly #target: string;
  readonly #rules: BreakerRules;
  readonly #clock: Clock;
  /** From 0.5 to 1: many who wait for one thing should not come back at once. */
  readonly #jitter: () => number;
  #failures = 0;
  #openings = 0;
  #opensAgainMs = 0;
  #trying = false;
  #reason: string | null = null;

  constructor(target: string, rules: BreakerRules, clock: Clock, jitter: () => number) {
    this.#target = target;
    this.#rules = rules;
    this.#clock = clock;
    this.#jitter = jitter;
  }

  get state(): BreakerState {
    if (this.#failures < this.#rules.failuresMax) return 'closed';
    return this.#trying || this.#clock.nowMs() >= this.#opensAgainMs ? 'half-open' : 'open';
  }

  /** What failed last; null while all is well. */
  get reason(): string | null {
    return this.#reason;
  }

  /** Rejects with `target.unavailable` where the target is left alone. What the call rejects with counts as a failure of it. */
  async call<T>(work: () => Promise<T>): Promise<T> {
    const { state } = this;
    if (state === 'open' || this.#trying) {
      throw new SyncError('target.unavailable', `${this.#target} is left alone for a while: ${this.#reason}`);
    }
    this.#trying = state === 'half-open';
    try {
      const result = await work();
      this.#failures = 0;
      this.#openings = 0;
      this.#reason = null;
      return result;
    } catch (error) {
      this.#failed(error);
      throw error;
    } finally {
      this.#trying = false;
    }
  }

  #failed(error: unknown): void {
    this.#failures++;
    this.#reason = error instanceof Error ? error.message : String(error);
    if (this.#failures < this.#rules.failuresMax) return;
    const { pauseMs, pauseMsMax } = this.#rules;
    const pause = Math.min(pauseMsMax, pauseMs * 2 ** Math.min(this.#openings, 20));
    this.#openings++;
    this.#opensAgainMs = this.#clock.nowMs() + Math.round(pause * this.#jitter());
  }
}
