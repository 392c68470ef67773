import type { Clock } from '../../core/ports/clock.ts';
import type { IngestStore, ReserveRequest } from '../../core/ports/ingest-store.ts';

/** A clock that never steps, with any zero. */
export type SteadyClock = () => number;

/** One look at the shared clock: what it showed when the steady clock showed `atMs`, give or take `errorUs`. */
interface Look {
  readonly atMs: number;
  readonly us: number;
  readonly errorUs: number;
}

const lookIntervalMs = 1_000;
/** A process that cannot ask goes on drawing; only its own death would let these be drawn twice. */
const aheadUs = 3_000_000;
/** The first looks open a connection and warm it up. */
const firstLooks = 3;
/** Two quartz clocks part by less. */
const driftUsPerMs = 0.2;
/** While PostgreSQL does not answer for long, requests are not held up for the sake of other processes. */
const errorUsMax = 20_000;

/**
 * PostgreSQL's clock as this process knows it. Invariant 4: who draws from the upper end of what it may show, and
 * answers when its lower end has passed what was drawn, has answered before any process draws anything lower.
 */
export class SharedClock {
  readonly #reserve: (request: ReserveRequest) => Promise<{ nowUs: number; reservedThroughUs: number }>;
  readonly #clock: Clock;
  readonly #steadyMs: SteadyClock;
  readonly #stop = new AbortController();
  #best: Look | null = null;
  #drawnUs = 0;
  /** What the processes before this one may have drawn. */
  #inheritedUs = 0;
  #looking: Promise<void> | null = null;
  readonly #watching: Promise<void>;

  constructor(store: Pick<IngestStore, 'reserve'>, clock: Clock, steadyMs: SteadyClock) {
    this.#reserve = (request) => store.reserve(request);
    this.#clock = clock;
    this.#steadyMs = steadyMs;
    this.#watching = this.#watch();
  }

  /** Undefined when `draw` may be called now. Rejects while PostgreSQL has never answered this process. */
  ready(): Promise<void> | undefined {
    return this.#best !== null && this.#earliest(this.#best) > this.#inheritedUs ? undefined : this.#begin();
  }

  /** Higher than everything drawn before, here and by whoever has answered before. */
  draw(): number {
    if (this.#best === null) throw new Error('a position was drawn before the clock was ready');
    this.#drawnUs = Math.max(Math.ceil(this.#latest(this.#best)), this.#drawnUs + 1);
    return this.#drawnUs;
  }

  /** Undefined, as a rule, because Kafka took longer: until then another process might draw something lower. */
  passed(drawnUs: number): Promise<void> | undefined {
    return this.#best !== null && this.#earliest(this.#best) > drawnUs ? undefined : this.#waitFor(drawnUs);
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error('closed'));
    await this.#watching;
  }

  async #begin(): Promise<void> {
    if (this.#best === null) await this.#look();
    await this.#waitFor(this.#inheritedUs, this.#stop.signal);
  }

  async #waitFor(us: number, signal?: AbortSignal): Promise<void> {
    for (;;) {
      const remainingUs = us - this.#earliest(this.#best!);
      if (remainingUs < 0) return;
      await this.#clock.sleep(Math.ceil((remainingUs + 1) / 1_000), signal);
    }
  }

  async #watch(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#stop.signal.addEventListener('abort', () => resolve()));
    let looks = 0;
    while (!this.#stop.signal.aborted) {
      // While PostgreSQL is out, what is known goes on; a request that finds nothing known asks itself and is told why.
      const looked = this.#look().then(
        () => looks++,
        () => undefined,
      );
      await Promise.race([looked, closed]);
      if (looks === 0 || looks >= firstLooks) await this.#clock.sleep(lookIntervalMs, this.#stop.signal).catch(() => undefined);
    }
  }

  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    const best = this.#best;
    const fromMs = this.#steadyMs();
    const atLeastUs = best === null ? null : Math.floor(this.#earliest(best));
    const { nowUs, reservedThroughUs } = await this.#reserve({ atLeastUs, drawnUs: this.#drawnUs, aheadUs });
    const toMs = this.#steadyMs();
    const look = { atMs: (fromMs + toMs) / 2, us: nowUs, errorUs: ((toMs - fromMs) / 2) * 1_000 };
    if (best === null) this.#inheritedUs = reservedThroughUs;
    // A slow answer says little; it counts only where the clock was moved on in the meantime.
    const sharper = best === null || this.#errorOf(look) <= this.#errorOf(best);
    if (sharper || this.#earliest(look) > this.#latest(best)) this.#best = look;
  }

  #now(look: Look): number {
    return look.us + (this.#steadyMs() - look.atMs) * 1_000;
  }

  #errorOf(look: Look): number {
    return look.errorUs + (this.#steadyMs() - look.atMs) * driftUsPerMs;
  }

  #earliest(look: Look): number {
    return this.#now(look) - Math.min(this.#errorOf(look), errorUsMax);
  }

  #latest(look: Look): number {
    return this.#now(look) + Math.min(this.#errorOf(look), errorUsMax);
  }
}
