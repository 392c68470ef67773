import type { LogReader } from '../../core/ports/log-reader.ts';
import type { KafkaConnection } from './kafkajs-client.ts';
import { readTopic } from './reader.ts';

export function createLogReader(connection: KafkaConnection): LogReader {
  return {
    async recordAt({ topic, partition }, offset) {
      const options = { partitions: [partition], fromOffsets: new Map([[partition, offset]]) };
      for await (const batch of readTopic(connection, topic, options)) {
        // What begins later than asked was deleted by retention in between.
        return batch.records.find((record) => record.offset === offset) ?? null;
      }
      return null;
    },
  };
}
