import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BatchVerdict, LogBatch, OutgoingRecord, PartitionWorker } from '../../core/ports/event-log.ts';
import { acquireTestStack, type TestStack } from '../../stack/test-stack.ts';
import { withAdmin } from './admin.ts';
import { createKafkaLog, type KafkaLog } from './kafka-log.ts';
import { type KafkaConnection, kafkaClient } from './kafkajs-client.ts';
import { createLogReader } from './log-reader.ts';
import { readTopic } from './reader.ts';
import { ensureTopics } from './topics.ts';

describe('a subscription on Kafka', () => {
  let stack: TestStack;
  let connection: KafkaConnection;
  let log: KafkaLog;
  let available: boolean[];
  let topic: string;
  let topics = 0;

  beforeAll(async () => {
    // A broker that was killed may come back as soon as its old registration has expired.
    stack = await acquireTestStack(['kafka'], {
      settings: { kafkaProperties: { 'broker.session.timeout.ms': '1500', 'broker.heartbeat.interval.ms': '300' } },
    });
    connection = { brokers: [stack.addresses.kafka!], clientId: 'subscription' };
  });
  afterAll(() => stack.stop());

  beforeEach(async () => {
    available = [];
    log = openLog();
    topic = `subscription.${topics++}`;
    await ensureTopics(connection, [{ name: topic, partitions: 4, cleanup: 'age' }], { replicationFactor: 1 });
  });
  afterEach(() => log.close());

  function openLog(): KafkaLog {
    const telemetry = {
      batchFailed: () => undefined,
      partAvailability: (event: { available: boolean }) => available.push(event.available),
    };
    return createKafkaLog({ ...connection, compression: 'none', telemetry: telemetry as never });
  }

  const subscribe = (worker: PartitionWorker, from = log) =>
    from.subscribe({ groupId: `group.${topic}`, topics: [topic], concurrency: 2, batchRecordsMax: 50 }, worker);

  async function send(records: readonly OutgoingRecord[]) {
    const producer = await log.producer();
    await producer.send(records);
    await producer.close();
  }

  async function deleteRecordsBefore(offset: number) {
    await withAdmin(connection, async (admin) => {
      // The library deletes only where it has met the topic before.
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
    });
  }

  it('ends loudly when the log begins after the position that is stored', async () => {
    await send(numbered(topic, 0, 10));
    await deleteRecordsBefore(6);
    const store = new Positions(new Map([[0, 3]]));
    const subscription = await subscribe(store.worker());
    await expect(subscription.failed).rejects.toMatchObject({
      code: 'kafka.log-truncated',
      details: { topic, partition: 0, start: 6, end: 10, wanted: 3 },
    });
    expect(store.seen).toEqual([]);
  });

  it('ends loudly when the log ends before the position that is stored', async () => {
    await send(numbered(topic, 0, 10));
    const store = new Positions(new Map([[0, 11]]));
    const subscription = await subscribe(store.worker());
    await expect(subscription.failed).rejects.toMatchObject({ code: 'kafka.log-truncated', details: { wanted: 11, end: 10 } });
  });

  it('ends loudly when records ahead of it are deleted while it runs', async () => {
    await send(numbered(topic, 0, 10));
    const store = new Positions();
    const subscription = await subscribe(store.worker());
    await until(() => store.positions.get(0) === 10);
    store.refuses = true;
    await send(numbered(topic, 0, 10));
    await until(() => store.refused > 0);
    await deleteRecordsBefore(15);
    store.refuses = false;
    await expect(subscription.failed).rejects.toMatchObject({ code: 'kafka.log-truncated', details: { wanted: 10, start: 15 } });
  });

  it('takes the markers of transactions for no gap, and aborted records for none', async () => {
    const producer = kafkaClient(connection).producer({
      idempotent: true,
      maxInFlightRequests: 1,
      transactionalId: `t.${topic}`,
    });
    await producer.connect();
    for (const outcome of ['commit', 'abort', 'abort', 'commit', 'abort'] as const) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [0, 1, 2].map((n) => ({ partition: 0, key: 'k', value: `${outcome}-${n}` })) });
      await transaction[outcome]();
      await sleep(50);
    }
    await producer.disconnect();
    const store = new Positions();
    const subscription = await subscribe(store.worker());
    await until(() => store.seen.length >= 6);
    await send([{ topic, partition: 0, key: 'k', value: 'plain' }]);
    await until(() => store.seen.length >= 7);
    await subscription.stop();
    const committed = ['commit-0', 'commit-1', 'commit-2'];
    expect(store.seen).toEqual([...committed, ...committed, 'plain'].map((value) => `0:${value}`));
    const read: string[] = [];
    for await (const { records } of readTopic(connection, topic, { partitions: [0] }))
      read.push(...records.map(({ value }) => `${value}`));
    expect(read).toEqual([...committed, ...committed, 'plain']);
    const reader = createLogReader(connection);
    expect((await reader.recordAt({ topic, partition: 0 }, 2))?.value?.toString()).toBe('commit-2');
    expect(await reader.recordAt({ topic, partition: 0 }, 3)).toBeNull();
    expect(await reader.recordAt({ topic, partition: 0 }, 999)).toBeNull();
  });

  it('shares the partitions with whoever joins and takes them back from whoever leaves, each record once', async () => {
    const store = new Positions();
    const others = [openLog(), openLog()];
    let sent = 0;
    const produce = async () => {
      for (let round = 0; round < 10; round++, sent += 200) {
        await send([0, 1, 2, 3].flatMap((partition) => numbered(topic, partition, 50)));
        await sleep(20);
      }
    };
    const first = await subscribe(store.worker(20));
    await produce();
    const second = await subscribe(store.worker(20), others[0]);
    await subscribe(store.worker(20), others[1]);
    await produce();
    await second.stop();
    await produce();
    await first.stop();
    await produce();
    await until(() => [0, 1, 2, 3].every((partition) => store.positions.get(partition) === sent / 4));
    expect(store.seen.length).toBe(sent);
    expect(store.reassignments).toBeGreaterThan(3);
    await Promise.all(others.map((other) => other.close()));
  });

  it('keeps its partitions through a batch that takes longer than the session', async () => {
    await send(numbered(topic, 0, 1));
    const store = new Positions();
    const quick = store.worker();
    const slow = store.worker(10_000);
    await subscribe({ ...quick, handle: (batch, signal) => (store.seen.length === 0 ? slow : quick).handle(batch, signal) });
    await until(() => store.seen.length === 1);
    await send(numbered(topic, 0, 1));
    await until(() => store.seen.length === 2);
    expect(store.reassignments).toBe(1);
  }, 60_000);

  it('goes on by itself after the broker was killed, and says that it was gone', async () => {
    const store = new Positions();
    await subscribe(store.worker());
    await send(numbered(topic, 0, 100));
    await until(() => store.seen.length === 100);
    await stack.part('kafka').kill('SIGKILL');
    await until(() => available.at(-1) === false);
    await stack.part('kafka').start();
    await until(() => available.at(-1) === true);
    await send(numbered(topic, 0, 100));
    await until(() => store.seen.length === 200);
    expect(available).toEqual([false, true]);
  }, 90_000);

  it('stops while the broker is gone', async () => {
    await send(numbered(topic, 0, 10));
    const store = new Positions();
    const subscription = await subscribe(store.worker());
    await until(() => store.seen.length === 10);
    await stack.part('kafka').kill('SIGKILL');
    await subscription.stop();
    await stack.part('kafka').start();
  }, 90_000);

  it('tells the group where it is, for tools that show lag', async () => {
    await send(numbered(topic, 0, 10));
    const store = new Positions();
    const subscription = await subscribe(store.worker());
    await until(() => store.seen.length === 10);
    await subscription.stop();
    const [committed] = await withAdmin(connection, (admin) =>
      admin.fetchOffsets({ groupId: `group.${topic}`, topics: [topic] }),
    );
    expect(committed?.partitions.find(({ partition }) => partition === 0)?.offset).toBe('10');
  });

  it('refuses a topic that has another number of partitions', async () => {
    const declarations = [{ name: topic, partitions: 5, cleanup: 'age' as const }];
    await expect(ensureTopics(connection, declarations, { replicationFactor: 1 })).rejects.toMatchObject({
      code: 'kafka.partitions-differ',
      details: { topic, found: 4, configured: 5 },
    });
  });

  it('refuses a record above the limit of its topic by name, and takes the next', async () => {
    const name = `${topic}.small`;
    const options = { replicationFactor: 1, recordBytesMax: 10_000 };
    await ensureTopics(connection, [{ name, partitions: 1, cleanup: 'age' }], options);
    for (const producerClient of ['platformatic', 'kafkajs'] as const) {
      const other = createKafkaLog({ ...connection, compression: 'none', producerClient });
      const producer = await other.producer();
      const record = { topic: name, partition: 0, key: 'k', value: 'x'.repeat(20_000) };
      await expect(producer.send([record])).rejects.toMatchObject({ code: 'record.too-large' });
      await producer.send([{ ...record, value: 'small' }]);
      await other.close();
    }
  });
});

/** The positions a real worker keeps in its database, and everything that was ever processed. */
class Positions {
  readonly positions: Map<number, number>;
  readonly seen: string[] = [];
  reassignments = 0;
  refuses = false;
  refused = 0;

  constructor(positions = new Map<number, number>()) {
    this.positions = positions;
  }

  worker(workMs = 0): PartitionWorker {
    return {
      handle: async (batch) => {
        if (workMs > 0) await sleep(workMs);
        return this.#handle(batch);
      },
      reassigned: () => {
        this.reassignments++;
      },
    };
  }

  #handle(batch: LogBatch): BatchVerdict {
    if (this.refuses) {
      this.refused++;
      throw new Error('the world is out');
    }
    const position = this.positions.get(batch.partition) ?? 0;
    if (batch.fetchedOffset !== position) return { kind: 'seek', offset: position };
    for (const { value } of batch.records) this.seen.push(`${batch.partition}:${value}`);
    this.positions.set(batch.partition, batch.nextOffset);
    return { kind: 'advance', nextOffset: batch.nextOffset };
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(10);
}

function numbered(topic: string, partition: number, count: number): OutgoingRecord[] {
  return Array.from({ length: count }, (_, n) => ({ topic, partition, key: `key-${n}`, value: String(n) }));
}
