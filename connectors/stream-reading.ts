import { isSyncError, reasonOf, SyncError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { SourceChunk, SourceMark, SourceStream, StreamPhase } from '../core/ports/source-connector.ts';
import type { SourceStore, StreamLease } from '../core/ports/source-store.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import type { ProducerPool } from '../core/producer-pool.ts';
import { outgoingOf, type SourceLine } from './source-line.ts';

export interface StreamReadingDeps {
  /** By kind. */
  readonly lines: ReadonlyMap<string, SourceLine>;
  readonly store: SourceStore;
  readonly producers: ProducerPool;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** Between 0 and 1: waits differ, so that streams that failed together do not come back together. */
  random(): number;
}

/** How things stand with a stream that is read here. */
export interface ReadingStatus {
  readonly state: 'reading' | 'retrying';
  readonly phase: StreamPhase;
  readonly changes: number;
  readonly code: string | null;
  readonly reason: string | null;
}

const retryDelayMs = 500;
const retryDelayMsMax = 60_000;
/** Marks of chunks that brought nothing are stored so often, unless one that brought something follows. */
const idleMarkMs = 1_000;
/** So long a lease may have gone without being renewed before it is asked for again, well below what others wait. */
const leaseTrustedMs = 2_000;

/** One stream from its source into Kafka, for as long as its lease is held here. */
export class StreamReading {
  readonly #deps: StreamReadingDeps;
  readonly #stream: SourceStream;
  readonly #stop = new AbortController();
  #lease: StreamLease;
  #trustedUntilMs: number;
  #pending: { readonly mark: SourceMark; readonly phase: StreamPhase } | undefined;
  #storedAtMs = 0;
  #failures = 0;
  #changes = 0;
  #failure: { readonly code: string; readonly reason: string } | null = null;

  constructor(deps: StreamReadingDeps, stream: SourceStream, lease: StreamLease) {
    this.#deps = deps;
    this.#stream = stream;
    this.#lease = lease;
    this.#trustedUntilMs = deps.clock.nowMs() + leaseTrustedMs;
  }

  get lease(): StreamLease {
    return this.#lease;
  }

  get status(): ReadingStatus {
    const { phase } = this.#lease;
    const { code = null, reason = null } = this.#failure ?? {};
    return { state: this.#failure === null ? 'reading' : 'retrying', phase, changes: this.#changes, code, reason };
  }

  /** The lease was renewed at this time. */
  renewed(atMs: number): void {
    this.#trustedUntilMs = Math.max(this.#trustedUntilMs, atMs + leaseTrustedMs);
  }

  /** What is in hand is finished or dropped; `run` ends soon. */
  stop(reason: Error): void {
    this.#stop.abort(reason);
  }

  /** Ends when it is stopped, when the lease is lost, and when the stream waits for somebody. Never rejects by the world's fault. */
  async run(): Promise<void> {
    const { clock, store, telemetry } = this.#deps;
    const { source, stream } = this.#lease;
    const { signal } = this.#stop;
    telemetry.streamChanged({ source, stream, running: true });
    let error: unknown;
    while (!signal.aborted) {
      try {
        await this.#read();
        break;
      } catch (caught) {
        if (signal.aborted || isCode(caught, 'lease.lost')) break;
        error = caught;
      }
      this.#failure = { code: isSyncError(error) ? error.code : 'internal', reason: reasonOf(error) };
      telemetry.streamChanged({ source, stream, running: false, error });
      if (await this.#isOver(error, store)) return;
      const delayMs = Math.min(retryDelayMs * 2 ** this.#failures++, retryDelayMsMax) * (0.5 + this.#deps.random() / 2);
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
    telemetry.streamChanged({ source, stream, running: false });
  }

  /** Whether there is nothing to be tried again: somebody has to look first, or another process reads the stream. */
  async #isOver(error: unknown, store: SourceStore): Promise<boolean> {
    try {
      if (isCode(error, 'source.position-lost')) {
        const next = await store.restart(this.#lease);
        if (next === null) return true;
        this.#lease = next;
        return false;
      }
      const waits = isCode(error, 'source.schema-changed');
      await store.fail(this.#lease, this.#failure!.code, this.#failure!.reason, waits);
      return waits;
    } catch {
      // PostgreSQL is out as well: the reason shows in the report of this process.
      return false;
    }
  }

  async #read(): Promise<void> {
    const inner = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, inner.signal]);
    const { mark, accepted } = this.#lease;
    const resume = { mark, accepted, notes: this.#deps.store.notes(this.#lease) };
    this.#pending = undefined;
    const chunks = this.#stream.read(resume, signal)[Symbol.asyncIterator]();
    try {
      let next = chunks.next();
      for (;;) {
        const { done, value: chunk } = await next;
        if (done) break;
        // One chunk is read while the one before is sent, and no more: memory stays flat however slow Kafka is.
        const ahead = chunk.phase !== 'waiting';
        if (ahead) next = chunks.next();
        if (ahead) next.catch(() => undefined);
        await this.#settle(chunk);
        if (!ahead) next = chunks.next();
      }
      await this.#flush();
    } catch (error) {
      // What was yielded before it failed still counts.
      if (!signal.aborted && !isCode(error, 'lease.lost')) await this.#flush().catch(() => undefined);
      throw error;
    } finally {
      inner.abort(new Error('the stream is no longer read'));
      await chunks.return?.().catch(() => undefined);
    }
    if (!this.#stop.signal.aborted) throw new Error(`the stream ${this.#stream.name} ended by itself`);
  }

  /** Invariant 1: sent and acknowledged, then the mark is stored, then the source may forget. */
  async #settle(chunk: SourceChunk): Promise<void> {
    const { clock, producers, telemetry } = this.#deps;
    const { changes, notes, lagMs = null } = chunk;
    const phase = chunk.phase ?? this.#pending?.phase ?? this.#lease.phase;
    const { source } = this.#lease;
    if (changes.length > 0) {
      await this.#flush();
      telemetry.recordsIn({ stage: 'source', source, records: changes.length });
      const records = changes.map((change) => outgoingOf(this.#lineOf(change.kind), this.#lease, change));
      await this.#holdLease();
      await producers.send(records);
      telemetry.recordsOut({ stage: 'source', source, outcome: 'accepted', records: changes.length });
    } else if (notes === undefined && phase === this.#lease.phase && clock.nowMs() - this.#storedAtMs < idleMarkMs) {
      this.#pending = { mark: chunk.mark, phase };
      return;
    }
    const { put, remove } = notes ?? { put: [], remove: [] };
    await this.#advance({ mark: chunk.mark, phase, lagMs, changes: changes.length, put, remove });
    this.#changes += changes.length;
  }

  async #flush(): Promise<void> {
    if (this.#pending === undefined) return;
    await this.#advance({ ...this.#pending, lagMs: null, changes: 0, put: [], remove: [] });
  }

  async #advance(progress: Parameters<SourceStore['advance']>[1]): Promise<void> {
    const { store, clock } = this.#deps;
    const startedMs = clock.nowMs();
    const lease = await store.advance(this.#lease, progress);
    if (lease === null) throw leaseLost(this.#lease);
    this.#lease = lease;
    this.#pending = undefined;
    this.#storedAtMs = clock.nowMs();
    this.#failures = 0;
    this.#failure = null;
    this.renewed(startedMs);
    await this.#stream.acknowledge?.(progress.mark);
  }

  /** Who was paused or cut off for a while asks again before it sends: another process may have taken over. */
  async #holdLease(): Promise<void> {
    const { store, clock } = this.#deps;
    const nowMs = clock.nowMs();
    if (nowMs < this.#trustedUntilMs) return;
    if ((await store.renew([this.#lease])).length === 0) throw leaseLost(this.#lease);
    this.renewed(nowMs);
  }

  #lineOf(kind: string): SourceLine {
    const line = this.#deps.lines.get(kind);
    if (line === undefined) throw new Error(`the stream ${this.#stream.name} tells of ${kind}, which it did not announce`);
    return line;
  }
}

function isCode(error: unknown, code: SyncError['code']): boolean {
  return isSyncError(error) && error.code === code;
}

function leaseLost({ source, stream }: StreamLease): SyncError {
  return new SyncError('lease.lost', `the stream ${stream} of ${source} belongs to another process now, or was paused`);
}
