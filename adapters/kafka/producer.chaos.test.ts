import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OutgoingRecord } from '../../core/ports/event-log.ts';
import { acquireTestStack, type TestStack } from '../../stack/test-stack.ts';
import type { KafkaConnection } from './kafkajs-client.ts';
import { openKafkajsProducer } from './kafkajs-producer.ts';
import { createLogProducer } from './log-producer.ts';
import { openPlatformaticProducer } from './platformatic-producer.ts';
import { readTopic } from './reader.ts';
import { ensureTopics } from './topics.ts';

const libraries = { platformatic: openPlatformaticProducer, kafkajs: openKafkajsProducer };
const partitions = 3;
const recordsPerSend = 90;
const kills = 4;

describe('a producer whose broker dies', () => {
  let stack: TestStack;
  let connection: KafkaConnection;

  beforeAll(async () => {
    // A broker that was killed may come back as soon as its old registration has expired.
    stack = await acquireTestStack(['kafka'], {
      settings: { kafkaProperties: { 'broker.session.timeout.ms': '1500', 'broker.heartbeat.interval.ms': '300' } },
    });
    connection = { brokers: [stack.addresses.kafka!], clientId: 'chaos' };
  });
  afterAll(() => stack.stop());

  for (const [library, open] of Object.entries(libraries)) {
    it(`loses nothing acknowledged, keeps the order and repeats nothing over kill -9 (${library})`, async () => {
      const topic = `killed.${library}`;
      await ensureTopics(connection, [{ name: topic, partitions, cleanup: 'age' }], { replicationFactor: 1 });
      const producer = createLogProducer({ connection, open: () => open(connection, 'lz4'), available: () => undefined });
      let alive = true;
      let sent = 0;
      const stream = (async () => {
        for (; alive; sent += recordsPerSend) await producer.send(numbered(topic, sent));
      })();
      stream.catch(() => undefined);
      for (let kill = 0; kill < kills; kill++) {
        await sleep(200 + Math.random() * 300);
        await stack.part('kafka').kill('SIGKILL');
        await stack.part('kafka').start();
        const before = sent;
        while (sent === before) await Promise.race([sleep(20), stream]);
      }
      alive = false;
      await stream;
      await producer.close();
      expect(sent).toBeGreaterThan(kills * recordsPerSend);
      const expected = Array.from({ length: partitions }, (_, partition) =>
        Array.from({ length: sent / partitions }, (_, n) => n * partitions + partition),
      );
      expect(await numbersOf(connection, topic)).toEqual(expected);
    }, 120_000);

    it(`gives up on a broker that hangs, and after it answers again sends what was asked since (${library})`, async () => {
      const topic = `hung.${library}`;
      await ensureTopics(connection, [{ name: topic, partitions, cleanup: 'age' }], { replicationFactor: 1 });
      const availability: boolean[] = [];
      const producer = createLogProducer({
        connection,
        open: () => open(connection, 'none'),
        available: (answers) => availability.push(answers),
        sendTimeoutMs: 1_000,
      });
      await producer.send(numbered(topic, 0));
      await stack.part('kafka').pause();
      await expect(producer.send(numbered(topic, recordsPerSend))).rejects.toMatchObject({ code: 'kafka.unavailable' });
      await stack.part('kafka').resume();
      await sendUntilTaken(() => producer.send(numbered(topic, recordsPerSend)));
      await producer.send(numbered(topic, 2 * recordsPerSend));
      await producer.close();
      expect(availability.includes(false)).toBe(true);
      expect(availability.at(-1)).toBe(true);
      // What was given up may have been written: once more, before what came after it.
      for (const numbers of await numbersOf(connection, topic)) {
        const firstTimes = numbers.filter((number, at) => numbers.indexOf(number) === at);
        expect(firstTimes).toEqual(Array.from({ length: recordsPerSend }, (_, n) => n * partitions + numbers[0]!));
        expect(numbers.at(-1)).toBe(firstTimes.at(-1));
      }
    }, 120_000);
  }
});

function numbered(topic: string, from: number): OutgoingRecord[] {
  return Array.from({ length: recordsPerSend }, (_, n) => ({
    topic,
    partition: (from + n) % partitions,
    key: `key-${n}`,
    value: String(from + n),
  }));
}

async function numbersOf(connection: KafkaConnection, topic: string): Promise<number[][]> {
  const numbers: number[][] = Array.from({ length: partitions }, () => []);
  for await (const { partition, records } of readTopic(connection, topic)) {
    for (const { value } of records) numbers[partition]!.push(Number(value));
  }
  return numbers;
}

async function sendUntilTaken(send: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await send();
    } catch {
      await sleep(100);
    }
  }
}
