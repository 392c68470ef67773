import { Kafka, logLevel } from 'kafkajs';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { type RunningStack, type StackOptions, startStack } from './stack.ts';
import { acquireTestStack, makeTestDirectory } from './test-stack.ts';

const everything = ['kafka', 'postgres', 'redis'] as const;

test('a second start finds the ports and the data of the first', { timeout: 120_000 }, async () => {
  const options: StackOptions = { dataDir: makeTestDirectory(), parts: everything, fast: true, settings: { kafkaHeapMb: 256 } };
  const first = await startStack({ ...options });
  const { addresses } = first;
  await createTopic(first, 'kept');
  await query(first, 'CREATE TABLE kept AS SELECT 7 AS value');
  await first.stop();
  expect(first.pids).toEqual({});

  const second = await startStack({ ...options, disposable: true });
  expect(second.addresses).toEqual(addresses);
  expect(await topicsOf(second)).toContain('kept');
  expect(await query(second, 'SELECT value FROM kept')).toEqual([{ value: 7 }]);
  await second.stop();
});

test('two stacks run side by side', { timeout: 120_000 }, async () => {
  const [left, right] = await Promise.all([acquireTestStack(everything), acquireTestStack(everything)]);
  const addresses = [...Object.values(left.addresses), ...Object.values(right.addresses)];
  expect(new Set(addresses).size).toBe(6);
  await createTopic(left, 'left-only');
  expect(await topicsOf(right)).not.toContain('left-only');
  await left.stop();
  expect(await query(right, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  await right.stop();
});

test('a broker that was killed comes back on its address with its topics', { timeout: 120_000 }, async () => {
  const stack = await acquireTestStack(['kafka']);
  const { kafka } = stack.addresses;
  await createTopic(stack, 'survivor');
  await stack.part('kafka').kill('SIGKILL');
  expect(stack.part('kafka').pid).toBeUndefined();
  await stack.part('kafka').start();
  expect(stack.addresses.kafka).toBe(kafka);
  expect(await topicsOf(stack)).toContain('survivor');
  await stack.stop();
});

test('a topic nobody created does not come into being', { timeout: 120_000 }, async () => {
  const stack = await acquireTestStack(['kafka']);
  const producer = clientOf(stack).producer({ allowAutoTopicCreation: true, retry: { retries: 0 } });
  await producer.connect();
  await expect(producer.send({ topic: 'typo', messages: [{ value: 'x' }] })).rejects.toThrow();
  await producer.disconnect();
  expect(await topicsOf(stack)).not.toContain('typo');
  await stack.stop();
});

function clientOf(stack: RunningStack): Kafka {
  return new Kafka({ brokers: [stack.addresses.kafka!], logLevel: logLevel.NOTHING });
}

async function createTopic(stack: RunningStack, topic: string): Promise<void> {
  const admin = clientOf(stack).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  await admin.disconnect();
}

async function topicsOf(stack: RunningStack): Promise<string[]> {
  const admin = clientOf(stack).admin();
  await admin.connect();
  const topics = await admin.listTopics();
  await admin.disconnect();
  return topics;
}

async function query(stack: RunningStack, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: stack.addresses.postgres! });
  await client.connect();
  const { rows } = await client.query(text);
  await client.end();
  return rows;
}
