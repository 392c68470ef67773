import type { FirebirdPlace } from './firebird-place.ts';
import { attachReader, type FirebirdSession } from './firebird-session.ts';

const attachTimeoutMs = 5_000;
/** Where events do not come through, they are not asked for again at once. */
const retryMs = 60_000;

/** Wakes a sleeper when the database posts an event. Events only shorten the wait: without them it ends by itself. */
export class ChangelogSignal {
  readonly #place: FirebirdPlace;
  readonly #event: string;
  #session: FirebirdSession | null = null;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #called = false;
  #wake: () => void = () => undefined;

  constructor(place: FirebirdPlace, event: string) {
    this.#place = place;
    this.#event = event;
  }

  /** Until an event came since the last wait, or the time is over, or the signal says so. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.listen();
    if (!this.#called && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, timeoutMs);
      const end = () => resolve();
      this.#wake = end;
      signal.addEventListener('abort', end, { once: true });
      await promise;
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
    this.#called = false;
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    session?.abandon();
  }

  async listen(): Promise<void> {
    if (this.#session !== null && !this.#session.isBroken) return;
    if (performance.now() - this.#triedAtMs < retryMs && this.#session === null) return;
    this.#triedAtMs = performance.now();
    this.#session = null;
    const session = await attachReader(this.#place).catch(() => null);
    if (session === null) return;
    const manager = await inTime(session.driver.attachEventAsync());
    if (manager === null) return session.abandon();
    manager.on('error', () => {
      session.abandon();
      this.#call();
    });
    manager.on('post_event', () => this.#call());
    const registered = await inTime(
      new Promise<true>((resolve, reject) =>
        manager.registerEvent([this.#event], (error: unknown) => (error ? reject(error) : resolve(true))),
      ),
    );
    if (registered === null) return session.abandon();
    this.#session = session;
  }

  #call(): void {
    this.#called = true;
    this.#wake();
  }
}

/** The second connection that events take may be closed to us. */
async function inTime<T>(promise: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), attachTimeoutMs);
  });
  return Promise.race([promise.catch(() => null), late]).finally(() => clearTimeout(timer));
}
