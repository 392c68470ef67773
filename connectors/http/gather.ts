import { SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';

export interface GatherOptions<T, R> {
  /** Called with what was gathered, never twice at once. One result per item, in order. */
  run(items: readonly T[]): Promise<readonly R[]>;
  weightOf(item: T): number;
  /** How much goes into one run; a heavier item goes alone. */
  runWeightMax: number;
  /** How much may wait. */
  queuedWeightMax: number;
  /** How long an idle gatherer waits for company before it runs. */
  gatherMs: number;
  /** How long a caller waits for an answer. */
  waitMsMax: number;
  /** What a caller is told whose wait ended. `begun`: the run with its item is under way and may still succeed. */
  timedOut(begun: boolean): Error;
  clock: Clock;
}

interface Waiting<T, R> {
  readonly item: T;
  readonly weight: number;
  readonly sinceMs: number;
  settled: boolean;
  resolve(result: R): void;
  reject(error: unknown): void;
}

/** Makes few runs of many callers: while one run is under way the next is gathered. */
export class Gatherer<T, R> {
  readonly #options: GatherOptions<T, R>;
  readonly #stop = new AbortController();
  readonly #closed = new AbortController();
  #queue: Waiting<T, R>[] = [];
  #queuedWeight = 0;
  #running: readonly Waiting<T, R>[] = [];
  #pumping: Promise<void> | null = null;
  #watching: Promise<void> | null = null;

  constructor(options: GatherOptions<T, R>) {
    this.#options = options;
  }

  submit(item: T): Promise<R> {
    const { weightOf, queuedWeightMax, clock } = this.#options;
    const weight = weightOf(item);
    const full = this.#queue.length > 0 && this.#queuedWeight + weight > queuedWeightMax;
    if (full || this.#stop.signal.aborted) {
      const why = full ? 'too many events wait for Kafka' : 'the server is shutting down';
      return Promise.reject(new SyncError('ingest.overloaded', `${why}; nothing of this request was accepted`));
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ item, weight, sinceMs: clock.nowMs(), settled: false, resolve, reject });
      this.#queuedWeight += weight;
      this.#pumping ??= this.#pump();
      this.#watching ??= this.#watch();
    });
  }

  /** Refuses newcomers and resolves when whoever waits has an answer. */
  async close(): Promise<void> {
    this.#stop.abort(new Error('closed'));
    await Promise.race([this.#pumping, this.#watching]);
    this.#closed.abort(new Error('closed'));
    await this.#watching;
  }

  async #pump(): Promise<void> {
    const { gatherMs, clock } = this.#options;
    await clock.sleep(gatherMs, this.#stop.signal).catch(() => undefined);
    while (this.#queue.length > 0) {
      this.#running = this.#take();
      await this.#runOnce(this.#running);
      this.#running = [];
    }
    this.#pumping = null;
  }

  async #runOnce(batch: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map((waiting) => waiting.item));
      batch.forEach((waiting, at) => {
        waiting.settled = true;
        waiting.resolve(results[at]!);
      });
    } catch (error) {
      for (const waiting of batch) {
        waiting.settled = true;
        waiting.reject(error);
      }
    }
  }

  #take(): Waiting<T, R>[] {
    let weight = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      if (count > 0 && weight + waiting.weight > this.#options.runWeightMax) break;
      weight += waiting.weight;
      count++;
    }
    this.#queuedWeight -= weight;
    return this.#queue.splice(0, count);
  }

  /** One timer for everybody: whoever waited longest is first in line. */
  async #watch(): Promise<void> {
    const { clock, waitMsMax } = this.#options;
    while (!this.#closed.signal.aborted) {
      const oldest = this.#running.find((waiting) => !waiting.settled) ?? this.#queue[0];
      if (oldest === undefined) break;
      const remainingMs = oldest.sinceMs + waitMsMax - clock.nowMs();
      if (remainingMs <= 0) this.#expire(clock.nowMs() - waitMsMax);
      else await clock.sleep(remainingMs, this.#closed.signal).catch(() => undefined);
    }
    this.#watching = null;
  }

  /** A run that is under way goes on: what it sends cannot be called back, only its callers stop waiting. */
  #expire(beforeMs: number): void {
    for (const waiting of this.#running) {
      if (waiting.settled || waiting.sinceMs > beforeMs) continue;
      waiting.settled = true;
      waiting.reject(this.#options.timedOut(true));
    }
    const expired = this.#queue.filter((waiting) => waiting.sinceMs <= beforeMs);
    this.#queue = this.#queue.slice(expired.length);
    for (const waiting of expired) {
      this.#queuedWeight -= waiting.weight;
      waiting.reject(this.#options.timedOut(false));
    }
  }
}
