import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createKafkaLog, type KafkaLog } from '../../adapters/kafka/kafka-log.ts';
import { ensureTopics } from '../../adapters/kafka/topics.ts';
import { systemClock } from '../../adapters/process/clock.ts';
import { parseConfig } from '../../core/config/config.ts';
import { topicNames } from '../../core/topics.ts';
import { useSharedStack } from '../../stack/shared-stack.ts';
import { openTestDatabase, type TestDatabase } from '../../tests/test-database.ts';
import { entityPlans } from './entity-plans.ts';
import { pipelinePassage } from './pipeline-passage.ts';

const config = parseConfig({ sources: { shop: { connector: 'http', entities: { products: {} } } } });
const topics = topicNames(`t${randomUUID().slice(0, 8)}.`);
const [raw, canonical, resolved] = [topics.raw('shop', 'products'), topics.canonical('products'), topics.resolved('products')];
const plans = entityPlans(config, topics);
/** Nothing is waited for: what has passed by now, has. */
const atOnce = AbortSignal.abort();

let database: TestDatabase;
let log: KafkaLog;
let passed: (target: string | null) => Promise<boolean>;

beforeAll(async () => {
  database = await openTestDatabase();
  const { kafka } = await useSharedStack(inject('stack'), ['kafka']);
  const connection = { brokers: [kafka], clientId: 'passage' };
  const names = [...plans.map(({ rawTopic }) => rawTopic), canonical, resolved];
  const declarations = names.map((name) => ({ name, partitions: 2, cleanup: 'age' as const }));
  await ensureTopics(connection, declarations, { replicationFactor: 1 });
  log = createKafkaLog({ ...connection, producerClient: 'kafkajs', compression: 'none' });
  const producer = await log.producer();
  await producer.send([raw, canonical, resolved].map((topic) => ({ topic, partition: 1, key: 'A', value: Buffer.from('{}') })));
  const passage = pipelinePassage({ kafka: connection, pool: database.pool, plans, topics, clock: systemClock });
  passed = (target) => passage.passed('products', target, atOnce);
});
afterAll(async () => {
  await log.close();
  await database.close();
});

test('a change has passed when every stage, the outbox and the target have passed where it stands, and no sooner', async () => {
  const { pool } = database;
  const steps = [
    () =>
      pool.query(
        `INSERT INTO processor_progress (topic, partition, token, next_offset, era, config_id) VALUES ($1, 1, 1, 1, gen_random_uuid(), '')`,
        [raw],
      ),
    () =>
      pool.query(
        `WITH stored AS (INSERT INTO sync_progress (topic, partition, token, next_offset) VALUES ($1, 1, 1, 1))
         INSERT INTO outbox (topic, partition, payload) VALUES ($1, 1, '{}')`,
        [canonical],
      ),
    () => pool.query('DELETE FROM outbox'),
    () =>
      pool.query(`INSERT INTO target_progress (target, topic, partition, token, next_offset) VALUES ('crm', $1, 1, 1, 1)`, [
        resolved,
      ]),
  ];
  const seen: string[] = [];
  for (const step of steps) {
    seen.push(`${await passed(null)} ${await passed('crm')}`);
    await step();
  }
  seen.push(`${await passed(null)} ${await passed('crm')}`);
  expect(seen).toEqual(['false false', 'false false', 'false false', 'true false', 'true true']);
  for (const table of ['processor_progress', 'sync_progress', 'target_progress']) {
    await pool.query(`UPDATE ${table} SET next_offset = 0`);
    expect(await passed('crm'), table).toBe(false);
    await pool.query(`UPDATE ${table} SET next_offset = 1`);
  }
  expect([await passed('crm'), await passed('erp')]).toEqual([true, false]);
});
