import { describeEventLog } from '../../tests/contracts/event-log.ts';
import { createKafkaLog } from './kafka-log.ts';
import { ensureTopics } from './topics.ts';

const connection = { brokers: [process.env.SYNCLINE_TEST_KAFKA ?? '127.0.0.1:29392'], clientId: 'contract' };
let topics = 0;

const variants = [
  { producerClient: 'platformatic', compression: 'none' },
  { producerClient: 'platformatic', compression: 'lz4' },
  { producerClient: 'kafkajs', compression: 'lz4' },
] as const;

for (const variant of variants) {
  describeEventLog(`Kafka with ${variant.producerClient} and ${variant.compression}`, async () => {
    const log = createKafkaLog({ ...connection, ...variant });
    return {
      log,
      async createTopic(partitions) {
        const name = `contract.${process.pid}.${Date.now()}.${topics++}`;
        await ensureTopics(connection, [{ name, partitions, cleanup: 'age' }], { replicationFactor: 1 });
        return name;
      },
      close: () => log.close(),
    };
  });
}
