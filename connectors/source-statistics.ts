import { reasonOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { SourceChunk, SourceConnector, SourceMark, SourceResume, SourceStream } from '../core/ports/source-connector.ts';

/** How the reading of one source goes. */
export interface SourceFigures {
  readonly source: string;
  /** Changes told since the figures before, by second. */
  readonly rowsPerSecond: number;
  /** How long ago the stream that is furthest behind had kept up; 0: all have. */
  readonly lagMs: number;
  /** Changes on Kafka that nobody has worked on yet; null where that cannot be said at present, for this reason. */
  readonly queueLength: number | null;
  readonly queueReason?: string;
  /** When a position was stored last. */
  readonly lastSync: string | null;
}

export interface SourceStatisticsDeps {
  readonly source: string;
  readonly everyMs: number;
  readonly clock: Clock;
  queueLength(): Promise<number>;
  /** Keeps when a position was stored last, for others to see. */
  remember(instant: string): Promise<void>;
  report(figures: SourceFigures): void;
}

const rememberEveryMs = 1_000;

/** Watches a source being read. Whatever fails here, the reading goes on: nothing it does is waited for. */
export class SourceStatistics {
  readonly #deps: SourceStatisticsDeps;
  readonly #stop = new AbortController();
  /** Of the streams that are read here: when each had kept up last; null: it has at present. */
  readonly #behindSinceMs = new Map<string, number | null>();
  #changes = 0;
  #syncedAtMs: number | null = null;
  #rememberedAtMs: number | null = null;

  constructor(deps: SourceStatisticsDeps) {
    this.#deps = deps;
  }

  /** The same source, watched. */
  watch(connector: SourceConnector): SourceConnector {
    return { ...connector, streams: connector.streams.map((stream) => this.#watched(stream)), close: () => connector.close() };
  }

  start(): void {
    void this.#run();
  }

  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { clock, everyMs, report } = this.#deps;
    let fromMs = clock.nowMs();
    for (;;) {
      await clock.sleep(everyMs, this.#stop.signal).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      try {
        report(await this.#figures(fromMs));
        await this.#remember();
      } catch {
        // The next time it may go better.
      }
      fromMs = clock.nowMs();
    }
  }

  async #figures(fromMs: number): Promise<SourceFigures> {
    const { source, clock, queueLength } = this.#deps;
    const nowMs = clock.nowMs();
    const changes = this.#changes;
    this.#changes = 0;
    const lags = [...this.#behindSinceMs.values()].map((sinceMs) => (sinceMs === null ? 0 : nowMs - sinceMs));
    const queue = await queueLength().then(
      (length) => ({ queueLength: length }),
      (error: unknown) => ({ queueLength: null, queueReason: reasonOf(error) }),
    );
    return {
      source,
      rowsPerSecond: Math.round((changes * 10_000) / Math.max(1, nowMs - fromMs)) / 10,
      lagMs: Math.max(0, ...lags),
      ...queue,
      lastSync: this.#syncedAtMs === null ? null : new Date(this.#syncedAtMs).toISOString(),
    };
  }

  #watched(stream: SourceStream): SourceStream {
    const { clock } = this.#deps;
    const behind = this.#behindSinceMs;
    const chunkMet = (chunk: SourceChunk) => this.#met(stream.name, chunk);
    return {
      name: stream.name,
      kinds: stream.kinds,
      check: () => stream.check(),
      acknowledge: async (mark: SourceMark) => {
        await stream.acknowledge?.(mark);
        this.#synced();
      },
      async *read(from: SourceResume, signal: AbortSignal): AsyncGenerator<SourceChunk> {
        behind.set(stream.name, behind.get(stream.name) ?? clock.nowMs());
        try {
          for await (const chunk of stream.read(from, signal)) {
            chunkMet(chunk);
            yield chunk;
          }
        } finally {
          // Stopped, it may be read elsewhere; failed, it is behind until it has kept up again.
          if (signal.aborted) behind.delete(stream.name);
        }
      },
    };
  }

  #met(stream: string, { changes, phase }: SourceChunk): void {
    this.#changes += changes.length;
    if (phase === 'waiting') this.#behindSinceMs.set(stream, null);
    else this.#behindSinceMs.set(stream, this.#behindSinceMs.get(stream) ?? this.#deps.clock.nowMs());
  }

  #synced(): void {
    this.#syncedAtMs = this.#deps.clock.nowMs();
    if (this.#syncedAtMs - (this.#rememberedAtMs ?? Number.NEGATIVE_INFINITY) >= rememberEveryMs)
      void this.#remember().catch(() => undefined);
  }

  async #remember(): Promise<void> {
    const atMs = this.#syncedAtMs;
    if (atMs === null || atMs === this.#rememberedAtMs) return;
    this.#rememberedAtMs = atMs;
    await this.#deps.remember(new Date(atMs).toISOString());
  }
}
