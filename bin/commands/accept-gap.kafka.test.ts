import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { withAdmin } from '../../adapters/kafka/admin.ts';
import { createKafkaLog } from '../../adapters/kafka/kafka-log.ts';
import { useSharedStack } from '../../stack/shared-stack.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';
import { addAcceptGapCommand } from './accept-gap.ts';

const partitions = 2;
const records = 10;

let folder: string;
let database: TestDatabase;
let prefix: string;
let connection: { brokers: string[]; clientId: string };
let output: string;

beforeEach(async () => {
  const { kafka } = await useSharedStack(inject('stack'), ['kafka']);
  connection = { brokers: [kafka], clientId: 'test' };
  database = await openTestDatabase();
  prefix = `t${randomUUID().slice(0, 8)}.`;
  folder = mkdtempSync(join(tmpdir(), 'accept-gap-'));
  writeFileSync(
    join(folder, 'config.yml'),
    JSON.stringify({
      topicPrefix: prefix,
      kafka: { brokers: [kafka], partitions },
      postgres: { url: database.url },
      redis: { url: 'redis://127.0.0.1:1' },
      sources: {
        shop: { connector: 'http', type: 'SHOP', entities: { users: { schema: { fields: { name: { type: 'string' } } } } } },
      },
    }),
  );
  output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
  await database.close();
});

/** A topic whose first partition lost its records below an offset before anybody read them. */
async function topicWithGap(topic: string, below: number): Promise<void> {
  await withAdmin(connection, (admin) =>
    admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true }),
  );
  const log = createKafkaLog({ ...connection, compression: 'none' });
  const producer = await log.producer();
  const record = { topic, partition: 0, key: 'k', value: Buffer.from('v') };
  await producer.send(Array.from({ length: records }, () => record));
  await log.close();
  await withAdmin(connection, async (admin) => {
    // The client finds a topic only after it was asked about it.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(below) }] });
  });
}

async function acceptGap(topic: string): Promise<void> {
  const program = new Command('syncline');
  addAcceptGapCommand(program);
  await program.parseAsync(['accept-gap', topic, '--config', join(folder, 'config.yml'), '--data-dir', folder], { from: 'user' });
}

test('what was deleted unread of a raw topic is given up and counted, once', async () => {
  const topic = `${prefix}source.shop.users`;
  await topicWithGap(topic, 7);
  await database.pool.query(
    `INSERT INTO processor_progress (topic, partition, token, next_offset, forwarded, era, config_id)
     VALUES ($1, 0, 5, 3, 0, gen_random_uuid(), 'c')`,
    [topic],
  );
  await acceptGap(topic);
  expect(output).toContain(`${topic}/0: offsets 3 to 6 are given up`);
  expect(output).toContain(`${topic}/1: no gap`);
  await acceptGap(topic);
  expect(output).toContain(`${topic}/0: no gap`);
  const progress = await database.pool.query('SELECT next_offset::int, token::int FROM processor_progress WHERE partition = 0');
  expect(progress.rows, 'its owner has to start anew').toEqual([{ next_offset: 7, token: 6 }]);
  const outcomes = await database.pool.query('SELECT outcome, records::int FROM raw_outcomes');
  expect(outcomes.rows).toEqual([{ outcome: 'filtered', records: 4 }]);
});

test('on a canonical topic the sync manager goes on where it begins', async () => {
  const topic = `${prefix}entity.users`;
  await topicWithGap(topic, 4);
  await database.pool.query(`INSERT INTO sync_progress (topic, partition, token, next_offset) VALUES ($1, 0, 1, 2)`, [topic]);
  await acceptGap(topic);
  expect(output).toContain(`${topic}/0: offsets 2 to 3 are given up`);
  const progress = await database.pool.query('SELECT next_offset::int FROM sync_progress WHERE partition = 0');
  expect(progress.rows).toEqual([{ next_offset: 4 }]);
});

test('a topic that is none of this configuration is refused by name', async () => {
  await expect(acceptGap('source.other.users')).rejects.toMatchObject({
    code: 'config.invalid',
    message: expect.stringContaining('source.other.users'),
  });
});
