import { unreachable } from '../../core/errors.ts';
import type {
  BatchVerdict,
  EventLog,
  LogProducer,
  LogSubscription,
  OutgoingRecord,
  PartitionRef,
  PartitionWorker,
  SubscribeOptions,
} from '../../core/ports/event-log.ts';
import type { LogStore } from './log-store.ts';
import { atOnce, type Pace } from './pace.ts';

export class MemoryEventLog implements EventLog {
  readonly #store: LogStore;
  readonly #pace: Pace;

  constructor(store: LogStore, pace: Pace = atOnce) {
    this.#store = store;
    this.#pace = pace;
  }

  async producer(): Promise<LogProducer> {
    return new MemoryProducer(this.#store, this.#pace);
  }

  async subscribe(options: SubscribeOptions, worker: PartitionWorker): Promise<LogSubscription> {
    const partitions = options.topics.flatMap((topic) => this.#store.partitionsOf(topic));
    return new MemorySubscription(this.#store, options, worker, partitions);
  }
}

const recordsPerAppend = 2;

/** A send goes to the broker in several requests, so it can end half-done. */
export class MemoryProducer implements LogProducer {
  readonly #store: LogStore;
  readonly #pace: Pace;

  constructor(store: LogStore, pace: Pace = atOnce) {
    this.#store = store;
    this.#pace = pace;
  }

  async send(records: readonly OutgoingRecord[]): Promise<void> {
    for (let first = 0; first < records.length; first += recordsPerAppend) {
      const request = records.slice(first, first + recordsPerAppend);
      await this.#pace('log.append', () => {
        for (const record of request) this.#store.append(record);
      });
    }
  }

  async close(): Promise<void> {}
}

/** One member that owns every partition; positions are committed after each batch. */
class MemorySubscription implements LogSubscription {
  readonly failed = new Promise<never>(() => {});
  readonly #store: LogStore;
  readonly #options: SubscribeOptions;
  readonly #worker: PartitionWorker;
  readonly #abort = new AbortController();
  readonly #idle: PartitionRef[];
  readonly #running = new Set<Promise<void>>();
  readonly #positions = new Map<PartitionRef, number>();
  readonly #stopListening: () => void;

  constructor(store: LogStore, options: SubscribeOptions, worker: PartitionWorker, partitions: readonly PartitionRef[]) {
    this.#store = store;
    this.#options = options;
    this.#worker = worker;
    this.#idle = [...partitions];
    for (const ref of partitions) this.#positions.set(ref, store.committed(options.groupId, ref));
    this.#stopListening = store.onAppend(() => setImmediate(() => this.#startWork()));
    worker.reassigned();
    this.#startWork();
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('the subscription was stopped'));
    this.#stopListening();
    await Promise.all(this.#running);
  }

  #startWork(): void {
    while (!this.#abort.signal.aborted && this.#running.size < this.#options.concurrency) {
      const next = this.#idle.findIndex((ref) => this.#positions.get(ref)! < this.#store.end(ref));
      if (next < 0) return;
      const [ref] = this.#idle.splice(next, 1);
      const work = this.#workOn(ref!).finally(() => {
        this.#running.delete(work);
        this.#idle.push(ref!);
        this.#startWork();
      });
      this.#running.add(work);
    }
  }

  async #workOn(ref: PartitionRef): Promise<void> {
    const position = this.#positions.get(ref)!;
    try {
      const batch = this.#store.read(ref, position, this.#options.batchRecordsMax);
      const next = positionAfter(await this.#worker.handle(batch, this.#abort.signal));
      this.#positions.set(ref, next);
      this.#store.commit(this.#options.groupId, ref, next);
    } catch {
      // The pause before the batch is delivered again is one turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function positionAfter(verdict: BatchVerdict): number {
  switch (verdict.kind) {
    case 'advance':
      return verdict.nextOffset;
    case 'seek':
      return verdict.offset;
    default:
      return unreachable(verdict);
  }
}
