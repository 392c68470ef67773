import type { Admin } from 'kafkajs';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import { withAdmin } from './admin.ts';
import type { KafkaConnection } from './kafkajs-client.ts';

export interface LogEnds extends PartitionRef {
  /** The first offset that is still there. */
  readonly start: number;
  /** One past the last record. */
  readonly end: number;
}

/** Where every partition of these topics begins and ends. */
export function logEnds(connection: KafkaConnection, topics: readonly string[]): Promise<LogEnds[]> {
  return withAdmin(connection, (admin) => logEndsWith(admin, topics));
}

export async function logEndsWith(admin: Admin, topics: readonly string[]): Promise<LogEnds[]> {
  const all = await Promise.all(
    topics.map(async (topic) => {
      const partitions = await admin.fetchTopicOffsets(topic);
      return partitions.map(({ partition, low, high }) => ({ topic, partition, start: Number(low), end: Number(high) }));
    }),
  );
  return all.flat();
}
