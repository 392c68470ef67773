import type { Clock } from './ports/clock.ts';

export interface CircuitRules {
  /** So many failures in a row open it. */
  readonly failuresMax: number;
  /** The first time it stays open; doubles with each try that fails. */
  readonly pauseMs: number;
  readonly pauseMsMax: number;
}

export type CircuitState = 'closed' | 'open' | 'half-open';

const doublingsMax = 20;

/**
 * Spares a system that is down the calls, and the callers the wait. Closed: every call goes through. Open: none does, for
 * a while. Half-open: one goes through, and what becomes of it decides.
 */
export class CircuitBreaker {
  readonly #rules: CircuitRules;
  readonly #clock: Pick<Clock, 'nowMs'>;
  /** From 0.5 to 1: many who wait for one thing should not come back at once. */
  readonly #jitter: () => number;
  #failures = 0;
  #openings = 0;
  #openUntilMs = 0;
  #probing = false;
  #reason: string | null = null;

  constructor(rules: CircuitRules, clock: Pick<Clock, 'nowMs'>, jitter: () => number) {
    this.#rules = rules;
    this.#clock = clock;
    this.#jitter = jitter;
  }

  get state(): CircuitState {
    if (this.#failures < this.#rules.failuresMax) return 'closed';
    return this.#probing || this.#clock.nowMs() >= this.#openUntilMs ? 'half-open' : 'open';
  }

  /** What failed last; null while all is well. */
  get reason(): string | null {
    return this.#reason;
  }

  /** Whether a call may be made now. Who is let through says `succeeded`, `failed` or `abandoned` afterwards. */
  admit(): boolean {
    const { state } = this;
    if (state === 'closed') return true;
    if (state === 'open' || this.#probing) return false;
    this.#probing = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openings = 0;
    this.#reason = null;
    this.#probing = false;
  }

  failed(error: unknown): void {
    this.#probing = false;
    this.#failures++;
    this.#reason = error instanceof Error ? error.message : String(error);
    if (this.#failures < this.#rules.failuresMax) return;
    const { pauseMs, pauseMsMax } = this.#rules;
    const pause = Math.min(pauseMsMax, pauseMs * 2 ** Math.min(this.#openings, doublingsMax));
    this.#openings++;
    this.#openUntilMs = this.#clock.nowMs() + Math.round(pause * this.#jitter());
  }

  /** The call was given up by us and says nothing. */
  abandoned(): void {
    this.#probing = false;
  }
}
