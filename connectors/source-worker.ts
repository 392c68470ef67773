import type { SourceConnector, SourceStream } from '../core/ports/source-connector.ts';
import type { StreamLease } from '../core/ports/source-store.ts';
import { type ReadingStatus, StreamReading, type StreamReadingDeps } from './stream-reading.ts';

export interface SourceWorkerDeps extends StreamReadingDeps {
  readonly source: string;
  readonly connector: SourceConnector;
  /** Tells this process from all others. */
  readonly owner: string;
}

const tickMs = 1_000;
/** A process that was not heard of for so long is followed by another. */
const silentMs = 5_000;

interface Running {
  readonly reading: StreamReading;
  readonly ended: Promise<void>;
}

/** Reads the streams of one source whose leases it gets. Each goes its own way: one that fails stops no other. */
export class SourceWorker {
  readonly #deps: SourceWorkerDeps;
  readonly #running = new Map<string, Running>();
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;
  #failed: (error: unknown) => void = () => undefined;
  /** Rejects by a fault of ours. */
  readonly failed: Promise<never>;

  constructor(deps: SourceWorkerDeps) {
    this.#deps = deps;
    this.failed = new Promise<never>((_resolve, reject) => {
      this.#failed = reject;
    });
    this.failed.catch(() => undefined);
    this.#loop = this.#run();
  }

  /** Of the streams that are read here. */
  statuses(): Readonly<Record<string, ReadingStatus>> {
    return Object.fromEntries([...this.#running].map(([name, { reading }]) => [name, reading.status]));
  }

  /** Resolves when nothing is read any more and another process may go on at once. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('the worker is stopped'));
    await this.#loop;
    const held = [...this.#running.values()];
    for (const { reading } of held) reading.stop(new Error('the worker is stopped'));
    await Promise.all(held.map(({ ended }) => ended));
    await this.#deps.store.release(held.map(({ reading }) => reading.lease)).catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // PostgreSQL is out: streams that are read check their lease themselves before they send.
      await this.#tick().catch(() => undefined);
      await clock.sleep(tickMs, signal).catch(() => undefined);
    }
  }

  async #tick(): Promise<void> {
    const { store, clock, source, connector, owner } = this.#deps;
    const startedMs = clock.nowMs();
    const held = await store.renew([...this.#running.values()].map(({ reading }) => reading.lease));
    const names = new Set(held.map(({ stream }) => stream));
    for (const [name, { reading }] of this.#running) {
      if (names.has(name)) reading.renewed(startedMs);
      else reading.stop(new Error('the lease was lost'));
    }
    const free = connector.streams.filter(({ name }) => !this.#running.has(name));
    if (free.length === 0) return;
    const leases = await store.acquire(
      free.map(({ name }) => ({ source, stream: name })),
      owner,
      silentMs,
    );
    for (const lease of leases) this.#start(free.find(({ name }) => name === lease.stream)!, lease);
  }

  #start(stream: SourceStream, lease: StreamLease): void {
    const reading = new StreamReading(this.#deps, stream, lease);
    const ended = reading.run().then(
      async () => {
        // Who ends by itself gives others the chance.
        await this.#deps.store.release([reading.lease]).catch(() => undefined);
        this.#running.delete(stream.name);
      },
      (error: unknown) => this.#failed(error),
    );
    this.#running.set(stream.name, { reading, ended });
  }
}
