import type { Clock } from './ports/clock.ts';

export interface CircuitLimits {
  /** So many failures in a row open it. */
  readonly failuresMax: number;
  /** After this it lets one through to see. */
  readonly openMs: number;
}

export type CircuitState = 'closed' | 'open' | 'half-open';

/** Spares a system that is down the calls, and the callers the wait. */
export class CircuitBreaker {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #limits: CircuitLimits;
  #failures = 0;
  #openUntilMs: number | null = null;
  #probing = false;

  constructor(clock: Pick<Clock, 'nowMs'>, limits: CircuitLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get state(): CircuitState {
    if (this.#openUntilMs === null) return 'closed';
    return this.#clock.nowMs() < this.#openUntilMs ? 'open' : 'half-open';
  }

  /** Whether a call may be made now. Who is let through says `succeeded` or `failed` afterwards. */
  admit(): boolean {
    if (this.state === 'closed') return true;
    if (this.state === 'open' || this.#probing) return false;
    this.#probing = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openUntilMs = null;
    this.#probing = false;
  }

  failed(): void {
    this.#probing = false;
    this.#failures++;
    if (this.#failures >= this.#limits.failuresMax) this.#openUntilMs = this.#clock.nowMs() + this.#limits.openMs;
  }

  /** The call was given up by us and says nothing. */
  abandoned(): void {
    this.#probing = false;
  }
}
