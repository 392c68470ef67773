import { setTimeout as sleep } from 'node:timers/promises';
import { MemoryProducer } from '../adapters/memory/event-log.ts';
import { LogStore } from '../adapters/memory/log-store.ts';
import type { Pace } from '../adapters/memory/pace.ts';
import { MemorySourceDesk, MemorySourceStore, StreamRows } from '../adapters/memory/source-store.ts';
import { systemClock } from '../adapters/process/clock.ts';
import { SourceWorker } from '../connectors/source-worker.ts';
import type { ChangeEvent } from '../core/change-event.ts';
import { jsonCodecs } from '../core/codec/json-codec.ts';
import { refusalFrom } from '../core/codec/refusal-message.ts';
import type { JsonObject } from '../core/json.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { LogRecord } from '../core/ports/event-log.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import type { SourceChunk, SourceConnector, SourceResume } from '../core/ports/source-connector.ts';
import type { StreamView } from '../core/ports/source-store.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import { ProducerPool } from '../core/producer-pool.ts';
import { topicNames } from '../core/topics.ts';

const topics = topicNames();
const partitions = 2;
const silent = new Proxy({}, { get: () => () => undefined }) as Telemetry;
export const source = 'erp';

/** What an operation of a process meets: it takes place, or the process is dead before or after it. */
export type Fate = 'lives' | 'dies-before' | 'dies-after';

/** A process that reads a source. */
export interface SourceProcess {
  readonly worker: SourceWorker;
  /** Chunks the source was asked for. */
  readonly asked: number;
  /** As a power cut: nothing of it is heard again. */
  kill(): void;
  stop(): Promise<void>;
}

/** The topics and tables that source processes work on; they are real to the processes and outlive them. */
export class SourceHouse {
  readonly log = new LogStore(() => Date.now());
  readonly streams = new StreamRows(() => Date.now());
  readonly desk = new MemorySourceDesk(this.streams);
  readonly #codec: Promise<RecordCodec<ChangeEvent>>;
  readonly #processes = new Set<SourceProcess>();
  readonly #kinds: readonly string[];
  /** While it is closed Kafka answers nobody. */
  #kafka: Promise<void> = Promise.resolve();
  #openKafka: () => void = () => undefined;

  constructor(kinds: readonly string[], recordBytesMax = 1_000_000) {
    this.#kinds = kinds;
    this.#codec = jsonCodecs({ recordBytesMax }).for('change', '');
    for (const kind of kinds) this.log.createTopic(topics.raw(source, kind), partitions);
  }

  closeKafka(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#kafka = promise;
    this.#openKafka = resolve;
  }

  openKafka(): void {
    this.#openKafka();
    this.#kafka = Promise.resolve();
  }

  async start(
    connector: SourceConnector,
    fate: (operation: string) => Fate = () => 'lives',
    owner = 'one',
    clock: Clock = systemClock,
  ): Promise<SourceProcess> {
    let dead = false;
    const never = () => new Promise<never>(() => undefined);
    const pace: Pace = async (operation, effect) => {
      if (operation === 'log.append') await this.#kafka;
      if (dead) return never();
      const met = fate(operation);
      if (met === 'dies-before') dead = true;
      if (dead) return never();
      const result = effect();
      if (met === 'dies-after') dead = true;
      return dead ? never() : result;
    };
    const codec = await this.#codec;
    const counted = countingChunks(connector);
    const worker = new SourceWorker({
      source,
      connector: counted.connector,
      owner,
      lines: new Map(this.#kinds.map((kind) => [kind, { topic: topics.raw(source, kind), partitions, codec }])),
      store: new MemorySourceStore(this.streams, pace),
      producers: new ProducerPool([new MemoryProducer(this.log, pace)]),
      clock,
      telemetry: silent,
      random: () => 0,
    });
    const process: SourceProcess = {
      worker,
      get asked() {
        return counted.asked();
      },
      kill: () => {
        dead = true;
      },
      async stop() {
        // What a dead process waits for never comes.
        if (!dead) await worker.stop();
      },
    };
    this.#processes.add(process);
    return process;
  }

  view(stream: string): StreamView | undefined {
    const row = this.streams.at({ source, stream });
    if (row === undefined) return undefined;
    const { notes: _, seenAtMs: __, accepted: ___, ...view } = row;
    return view;
  }

  /** How many bytes of notes a stream keeps. */
  noteNames(stream: string): string[] {
    return [...(this.streams.at({ source, stream })?.notes.keys() ?? [])].sort();
  }

  records(kind: string): LogRecord[] {
    return this.log.partitionsOf(topics.raw(source, kind)).flatMap((ref) => [...this.log.records(ref)]);
  }

  async events(kind: string): Promise<ChangeEvent[]> {
    const codec = await this.#codec;
    return this.records(kind).flatMap((record) => (refusalFrom(record) === undefined ? [codec.decode(record.value!)] : []));
  }

  /** What a reader of the topic knows when a later position wins, as the pipeline has it. */
  async told(kind: string): Promise<Map<string, JsonObject>> {
    const newest = new Map<string, ChangeEvent>();
    for (const event of await this.events(kind)) {
      const before = newest.get(event.key);
      if (before === undefined || event.position > before.position) newest.set(event.key, event);
    }
    return new Map([...newest].flatMap(([key, { data }]) => (data === null ? [] : [[key, data] as const])));
  }

  async close(): Promise<void> {
    this.openKafka();
    await Promise.all([...this.#processes].map((process) => process.stop()));
    // A dead process may have asked its source something: it ends by itself.
    await sleep(0);
  }
}

function countingChunks(connector: SourceConnector): { connector: SourceConnector; asked: () => number } {
  let asked = 0;
  const streams = connector.streams.map((stream) => ({
    name: stream.name,
    kinds: stream.kinds,
    check: () => stream.check(),
    ...(stream.acknowledge === undefined ? {} : { acknowledge: stream.acknowledge.bind(stream) }),
    async *read(from: SourceResume, signal: AbortSignal): AsyncGenerator<SourceChunk> {
      for await (const chunk of stream.read(from, signal)) {
        asked++;
        yield chunk;
      }
    },
  }));
  return { connector: { streams, close: () => connector.close() }, asked: () => asked };
}
