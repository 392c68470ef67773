import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  BatchVerdict,
  EventLog,
  LogBatch,
  LogSubscription,
  OutgoingRecord,
  PartitionWorker,
  SubscribeOptions,
} from '../../core/ports/event-log.ts';

export interface EventLogHarness {
  readonly log: EventLog;
  /** A new empty topic of its own name. */
  createTopic(partitions: number): Promise<string>;
  close(): Promise<void>;
}

export function describeEventLog(name: string, open: () => Promise<EventLogHarness>): void {
  describe(`${name} as an event log`, () => {
    let harness: EventLogHarness;
    let log: EventLog;
    let subscriptions: LogSubscription[];
    let group = 0;

    beforeEach(async () => {
      harness = await open();
      log = harness.log;
      subscriptions = [];
      group++;
    });
    afterEach(async () => {
      await Promise.all(subscriptions.map((subscription) => subscription.stop()));
      await harness.close();
    });

    async function subscribe(worker: PartitionWorker, topics: string[], options: Partial<SubscribeOptions> = {}) {
      const all = { groupId: `group-${group}-${topics[0]}`, topics, concurrency: 2, batchRecordsMax: 100, ...options };
      const subscription = await log.subscribe(all, worker);
      subscriptions.push(subscription);
      return subscription;
    }

    async function send(records: readonly OutgoingRecord[]) {
      const producer = await log.producer();
      await producer.send(records);
      await producer.close();
    }

    it('delivers what was sent: key, value, headers, in the order of each partition', async () => {
      const topic = await harness.createTopic(2);
      await send([
        { topic, partition: 0, key: 'a', value: 'first', headers: { one: '1', 'zwei-ü': 'ü' } },
        { topic, partition: 1, key: 'ключ', value: Buffer.from([0, 255, 128]) },
        { topic, partition: 0, key: 'a', value: 'wörld 😀' },
        { topic, partition: 0, key: 'b', value: null },
      ]);
      const worker = new RecordingWorker();
      await subscribe(worker, [topic]);
      await worker.until(() => worker.recordsSeen === 4);
      expect(
        worker.recordsOf(topic, 0).map(({ offset, key, value, headers }) => [offset, key, value?.toString(), headers]),
      ).toEqual([
        [0, 'a', 'first', { one: '1', 'zwei-ü': 'ü' }],
        [1, 'a', 'wörld 😀', {}],
        [2, 'b', undefined, {}],
      ]);
      const [other] = worker.recordsOf(topic, 1);
      expect(other).toMatchObject({ offset: 0, key: 'ключ', value: Buffer.from([0, 255, 128]) });
    });

    it('stamps a record with the time the log took it', async () => {
      const topic = await harness.createTopic(1);
      await send(numbered(topic, 0, 2));
      const worker = new RecordingWorker();
      await subscribe(worker, [topic]);
      await worker.until(() => worker.recordsSeen === 2);
      for (const { timestampMs } of worker.recordsOf(topic, 0)) {
        expect(Number.isSafeInteger(timestampMs)).toBe(true);
        expect(timestampMs).toBeGreaterThanOrEqual(0);
      }
    });

    it('keeps the order of a partition over many sends of one producer', async () => {
      const topic = await harness.createTopic(3);
      const producer = await log.producer();
      for (let n = 0; n < 30; n++) await producer.send([0, 1, 2].map((partition) => record(topic, partition, String(n))));
      await producer.close();
      const worker = new RecordingWorker();
      await subscribe(worker, [topic]);
      await worker.until(() => worker.recordsSeen === 90);
      const inOrder = Array.from({ length: 30 }, (_, n) => String(n));
      for (const partition of [0, 1, 2]) expect(worker.valuesOf(topic, partition)).toEqual(inOrder);
    });

    it('a send without records is done at once', async () => {
      const producer = await log.producer();
      await producer.send([]);
      await producer.close();
    });

    it('hands over every record that was sent before and after subscribing, of every topic', async () => {
      const topics = [await harness.createTopic(1), await harness.createTopic(2)];
      await send(topics.flatMap((topic) => numbered(topic, 0, 5)));
      const worker = new RecordingWorker();
      await subscribe(worker, topics);
      await worker.until(() => worker.recordsSeen === 10);
      await send(topics.flatMap((topic) => numbered(topic, 0, 3)));
      await worker.until(() => worker.recordsSeen === 16);
      for (const topic of topics) expect(worker.valuesOf(topic, 0)).toEqual(['0', '1', '2', '3', '4', '0', '1', '2']);
    });

    it('a batch holds consecutive records, begins where the last one ended and is no larger than asked', async () => {
      const topic = await harness.createTopic(1);
      await send(numbered(topic, 0, 250));
      const worker = new RecordingWorker();
      await subscribe(worker, [topic], { batchRecordsMax: 40 });
      await worker.until(() => worker.recordsSeen === 250);
      let expected = 0;
      for (const { fetchedOffset, records, nextOffset, highWatermark } of worker.batches) {
        expect(fetchedOffset).toBe(expected);
        expect(records.length).toBeGreaterThan(0);
        expect(records.length).toBeLessThanOrEqual(40);
        expect(records.map(({ offset }) => offset)).toEqual(records.map((_, at) => fetchedOffset + at));
        expect(nextOffset).toBe(fetchedOffset + records.length);
        expect(highWatermark).toBe(250);
        expected = nextOffset;
      }
    });

    it('never works on one partition twice at once, nor on more partitions than asked', async () => {
      const topic = await harness.createTopic(4);
      await send([0, 1, 2, 3].flatMap((partition) => numbered(topic, partition, 20)));
      const atWork = new Set<number>();
      let together = 0;
      const worker = new RecordingWorker(async (batch) => {
        expect(atWork.has(batch.partition)).toBe(false);
        atWork.add(batch.partition);
        together = Math.max(together, atWork.size);
        await sleep(5);
        atWork.delete(batch.partition);
        return advance(batch);
      });
      await subscribe(worker, [topic], { concurrency: 3, batchRecordsMax: 5 });
      await worker.until(() => worker.recordsSeen === 80);
      expect(together).toBe(3);
    });

    it('tells the worker of its assignment before the first batch', async () => {
      const topic = await harness.createTopic(1);
      await send(numbered(topic, 0, 1));
      const worker = new RecordingWorker();
      await subscribe(worker, [topic]);
      await worker.until(() => worker.recordsSeen === 1);
      expect(worker.reassignmentsBeforeFirstBatch).toBeGreaterThan(0);
    });

    it('delivers a batch again, from the same offset, until the worker takes it', async () => {
      const topic = await harness.createTopic(1);
      await send(numbered(topic, 0, 6));
      const tried: number[] = [];
      const worker = new RecordingWorker(async (batch) => {
        if (batch.fetchedOffset >= 3) tried.push(batch.fetchedOffset);
        if (tried.length > 0 && tried.length < 3) throw new Error('the world is out');
        return advance(batch);
      });
      await subscribe(worker, [topic], { batchRecordsMax: 3 });
      await worker.until(() => worker.recordsSeen === 6);
      expect(tried).toEqual([3, 3, 3]);
      expect(worker.valuesOf(topic, 0)).toEqual(['0', '1', '2', '3', '4', '5']);
    });

    it('goes on with the other partitions while one is refused', async () => {
      const topic = await harness.createTopic(2);
      let refuses = true;
      const worker = new RecordingWorker(async (batch) => {
        if (batch.partition === 0 && refuses) throw new Error('the world is out');
        return advance(batch);
      });
      await send([...numbered(topic, 0, 4), ...numbered(topic, 1, 4)]);
      await subscribe(worker, [topic]);
      await worker.until(() => worker.recordsOf(topic, 1).length === 4);
      await send(numbered(topic, 1, 4));
      await worker.until(() => worker.recordsOf(topic, 1).length === 8);
      refuses = false;
      await worker.until(() => worker.recordsOf(topic, 0).length === 4);
    });

    it('goes where the worker wants it, back and forth', async () => {
      const topic = await harness.createTopic(1);
      await send(numbered(topic, 0, 10));
      const detours = [7, 2];
      const worker = new RecordingWorker(async (batch) => {
        const detour = detours.shift();
        return detour === undefined ? advance(batch) : { kind: 'seek', offset: detour };
      });
      await subscribe(worker, [topic]);
      await worker.until(() => worker.taken.at(-1)?.nextOffset === 10);
      expect(worker.batches.map(({ fetchedOffset }) => fetchedOffset)).toEqual([0, 7, 2]);
      expect(worker.valuesOf(topic, 0)).toEqual(['2', '3', '4', '5', '6', '7', '8', '9']);
    });

    it('goes to the end of the log where nothing stands yet, and on from there', async () => {
      const topic = await harness.createTopic(1);
      await send(numbered(topic, 0, 4));
      const worker = new RecordingWorker(async (batch) =>
        batch.fetchedOffset < 4 ? { kind: 'seek', offset: 4 } : advance(batch),
      );
      await subscribe(worker, [topic]);
      await worker.until(() => worker.batches.length === 1);
      await send([record(topic, 0, 'after')]);
      await worker.until(() => worker.recordsSeen === 1);
      expect(worker.valuesOf(topic, 0)).toEqual(['after']);
    });

    it('goes on in the middle of a batch when the worker took only its beginning', async () => {
      const topic = await harness.createTopic(1);
      await send(numbered(topic, 0, 10));
      const worker = new RecordingWorker(async (batch) =>
        batch.fetchedOffset === 0 ? { kind: 'advance', nextOffset: 4 } : advance(batch),
      );
      await subscribe(worker, [topic]);
      await worker.until(() => worker.batches.length === 2);
      expect(worker.batches[1]).toMatchObject({ fetchedOffset: 4, nextOffset: 10 });
    });

    it('a stop waits for the batch in hand and begins no other', async () => {
      const topic = await harness.createTopic(1);
      await send(numbered(topic, 0, 10));
      const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
      let finished = 0;
      const worker = new RecordingWorker(async (batch) => {
        begin();
        await sleep(50);
        finished++;
        return advance(batch);
      });
      const subscription = await subscribe(worker, [topic], { batchRecordsMax: 2 });
      await begun;
      await subscription.stop();
      expect(finished).toBe(worker.batches.length);
      await send(numbered(topic, 0, 1));
      await sleep(50);
      expect(worker.batches.length).toBe(finished);
    });

    it('whoever keeps its own position goes on there under the same group, with nothing lost and nothing twice', async () => {
      const topic = await harness.createTopic(2);
      const stored = new Map<number, number>();
      const seen: string[] = [];
      const positioned = () =>
        new RecordingWorker(async (batch) => {
          const position = stored.get(batch.partition) ?? 0;
          if (batch.fetchedOffset !== position) return { kind: 'seek', offset: position };
          for (const { value } of batch.records) seen.push(`${batch.partition}:${value}`);
          stored.set(batch.partition, batch.nextOffset);
          return advance(batch);
        });
      await send([...numbered(topic, 0, 20), ...numbered(topic, 1, 20)]);
      const first = await subscribe(positioned(), [topic], { batchRecordsMax: 7 });
      await until(() => seen.length > 0);
      await first.stop();
      await send([...numbered(topic, 0, 5), ...numbered(topic, 1, 5)]);
      await subscribe(positioned(), [topic], { batchRecordsMax: 7 });
      await until(() => stored.get(0) === 25 && stored.get(1) === 25);
      const once = [...Array(20).keys(), ...Array(5).keys()];
      for (const partition of [0, 1]) {
        expect(seen.filter((entry) => entry.startsWith(`${partition}:`))).toEqual(once.map((n) => `${partition}:${n}`));
      }
    });
  });
}

/** Takes every batch, unless told otherwise, and remembers what came. */
class RecordingWorker implements PartitionWorker {
  readonly batches: LogBatch[] = [];
  /** The batches it advanced over. */
  readonly taken: LogBatch[] = [];
  reassignments = 0;
  reassignmentsBeforeFirstBatch = 0;
  readonly #decide: (batch: LogBatch) => Promise<BatchVerdict>;

  constructor(decide: (batch: LogBatch) => Promise<BatchVerdict> = async (batch) => advance(batch)) {
    this.#decide = decide;
  }

  async handle(batch: LogBatch): Promise<BatchVerdict> {
    if (this.batches.length === 0) this.reassignmentsBeforeFirstBatch = this.reassignments;
    this.batches.push(batch);
    const verdict = await this.#decide(batch);
    if (verdict.kind === 'advance') this.taken.push(batch);
    return verdict;
  }

  reassigned(): void {
    this.reassignments++;
  }

  get recordsSeen(): number {
    return this.taken.reduce((sum, { records }) => sum + records.length, 0);
  }

  recordsOf(topic: string, partition: number) {
    return this.taken.filter((batch) => batch.topic === topic && batch.partition === partition).flatMap(({ records }) => records);
  }

  valuesOf(topic: string, partition: number) {
    return this.recordsOf(topic, partition).map(({ value }) => value?.toString());
  }

  until(holds: () => boolean): Promise<void> {
    return until(holds);
  }
}

/** No limit of its own: the test's time-out says that it never came true. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}

function advance(batch: LogBatch): BatchVerdict {
  return { kind: 'advance', nextOffset: batch.nextOffset };
}

function record(topic: string, partition: number, value: string): OutgoingRecord {
  return { topic, partition, key: `key-${value}`, value };
}

function numbered(topic: string, partition: number, count: number): OutgoingRecord[] {
  return Array.from({ length: count }, (_, n) => record(topic, partition, String(n)));
}
