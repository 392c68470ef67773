import type { EachBatchPayload } from 'kafkajs';
import { kafkaClient } from '../adapters/kafka/kafkajs-client.ts';
import type { Rig } from './rig.ts';
import { type Change, keyOf, rawTopic, recordOf } from './workload.ts';

const rowsPerStatement = 1_000;

/** The least that could be done: the same records upserted into one table, one statement a thousand, one connection. */
export async function bareUpsert(rig: Rig, entities: number, count: number, changeAt: (n: number) => Change): Promise<number> {
  const client = await rig.pool.connect();
  try {
    await client.query(`CREATE TABLE bench_baseline (id TEXT PRIMARY KEY, data JSONB NOT NULL) WITH (fillfactor = 45)`);
    await upsertAll(rig, client, entities, (n) => ({ entity: n, version: 0 }));
    const began = performance.now();
    await upsertAll(rig, client, count, changeAt);
    const seconds = (performance.now() - began) / 1_000;
    await client.query('DROP TABLE bench_baseline');
    return count / seconds;
  } finally {
    client.release();
  }
}

type Queryable = { query(config: { name: string; text: string; values: unknown[] }): Promise<unknown> };

async function upsertAll(
  rig: Rig,
  client: Queryable,
  count: number,
  changeAt: (n: number) => Pick<Change, 'entity' | 'version'>,
): Promise<void> {
  for (let from = 0; from < count; from += rowsPerStatement) {
    rig.signal.throwIfAborted();
    const rows = new Map<string, object>();
    for (let n = from; n < Math.min(count, from + rowsPerStatement); n++) {
      const { entity, version } = changeAt(n);
      rows.set(keyOf(entity), { i: keyOf(entity), d: recordOf(entity, version) });
    }
    await client.query({
      name: 'bench-upsert',
      text: `INSERT INTO bench_baseline (id, data) SELECT i, d FROM jsonb_to_recordset($1::jsonb) AS r(i text, d jsonb)
             ON CONFLICT (id) DO UPDATE SET data = excluded.data`,
      values: [JSON.stringify([...rows.values()])],
    });
  }
}

/** How fast kafkajs alone reads the raw topic, batch by batch, without looking at the records. */
export async function bareConsume(rig: Rig, records: number): Promise<number> {
  const consumer = kafkaClient(rig.kafka).consumer({ groupId: `bench-${Date.now()}`, maxWaitTimeInMs: 100 });
  let seen = 0;
  let began = 0;
  let atBegin = 0;
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [rawTopic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: 2,
      eachBatch: async ({ batch }: EachBatchPayload) => {
        seen += batch.messages.length;
        if (began === 0) {
          began = performance.now();
          atBegin = seen;
        }
        if (seen >= records || rig.signal.aborted) finish();
      },
    });
    await finished;
    rig.signal.throwIfAborted();
    return (seen - atBegin) / ((performance.now() - began) / 1_000);
  } finally {
    await consumer.disconnect();
  }
}
