import { Consumer } from '@platformatic/kafka';
import kafkajs, { type Admin } from 'kafkajs';

/** The names of one installation's topics, written down a second time. */
export const kinds = ['products', 'users'] as const;
export type Kind = (typeof kinds)[number];
export const source = 'shop';

export interface Topics {
  readonly raw: readonly string[];
  readonly canonical: readonly string[];
  readonly resolved: readonly string[];
  readonly deadLetters: string;
}

export function topicsOf(prefix: string): Topics {
  return {
    raw: kinds.map((kind) => `${prefix}source.${source}.${kind}`),
    canonical: kinds.map((kind) => `${prefix}entity.${kind}`),
    resolved: kinds.map((kind) => `${prefix}resolved.${kind}`),
    deadLetters: `${prefix}syncline.dead-letters`,
  };
}

export interface TopicRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

export type Ends = ReadonlyMap<string, number>;

export function partitionId(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

export async function endsOf(brokers: string, topics: readonly string[]): Promise<Ends> {
  return withAdmin(brokers, async (admin) => {
    const ends = new Map<string, number>();
    for (const topic of topics) {
      for (const { partition, high } of await admin.fetchTopicOffsets(topic))
        ends.set(partitionId(topic, partition), Number(high));
    }
    return ends;
  });
}

export async function topicsWith(brokers: string, prefix: string): Promise<string[]> {
  return withAdmin(brokers, async (admin) => (await admin.listTopics()).filter((topic) => topic.startsWith(prefix)));
}

async function withAdmin<T>(brokers: string, ask: (admin: Admin) => Promise<T>): Promise<T> {
  const client = new kafkajs.Kafka({
    brokers: [brokers],
    clientId: 'chaos-ends',
    logLevel: kafkajs.logLevel.NOTHING,
    requestTimeout: 5_000,
    retry: { retries: 3 },
  });
  const admin = client.admin();
  try {
    await admin.connect();
    return await ask(admin);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

const fetchBytesMax = 4 * 1024 * 1024;

/** Every record that stands on a topic, by partition and offset. */
export async function readAll(brokers: string, topic: string): Promise<TopicRecord[]> {
  const ends = await endsOf(brokers, [topic]);
  const consumer: Consumer<Buffer, Buffer, Buffer, Buffer> = new Consumer({
    clientId: 'chaos-checker',
    bootstrapBrokers: [brokers],
    groupId: 'chaos-checker',
  });
  const found: TopicRecord[] = [];
  try {
    const metadata = await consumer.metadata({ topics: [topic] });
    const { id, partitions } = metadata.topics.get(topic)!;
    for (let partition = 0; partition < partitions.length; partition++) {
      const end = ends.get(partitionId(topic, partition)) ?? 0;
      let offset = 0;
      while (offset < end) {
        const response = await consumer.fetch({
          node: partitions[partition]!.leader,
          topics: [
            {
              topicId: id,
              partitions: [
                {
                  partition,
                  fetchOffset: BigInt(offset),
                  currentLeaderEpoch: -1,
                  lastFetchedEpoch: -1,
                  partitionMaxBytes: fetchBytesMax,
                },
              ],
            },
          ],
          minBytes: 1,
          maxBytes: fetchBytesMax,
          maxWaitTime: 100,
        });
        for (const batch of response.responses[0]?.partitions[0]?.records ?? []) {
          for (const record of batch.records) {
            const at = Number(batch.firstOffset) + record.offsetDelta;
            if (at < offset) continue;
            found.push({
              topic,
              partition,
              offset: at,
              key: record.key === null ? null : record.key.toString('utf8'),
              value: record.value,
              headers: Object.fromEntries(record.headers.map(([name, value]) => [String(name), String(value)])),
            });
          }
          offset = Math.max(offset, Number(batch.firstOffset) + batch.lastOffsetDelta + 1);
        }
      }
    }
  } finally {
    await consumer.close(true);
  }
  return found;
}
