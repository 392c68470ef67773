import { inject } from 'vitest';
import { useSharedStack } from '../../stack/shared-stack.ts';
import { describeEventLog } from '../../tests/contracts/event-log.ts';
import { createKafkaLog } from './kafka-log.ts';
import { ensureTopics } from './topics.ts';

let topics = 0;

const variants = [
  { producerClient: 'platformatic', compression: 'none' },
  { producerClient: 'platformatic', compression: 'lz4' },
  { producerClient: 'kafkajs', compression: 'lz4' },
] as const;

for (const variant of variants) {
  describeEventLog(`Kafka with ${variant.producerClient} and ${variant.compression}`, async () => {
    const { kafka } = await useSharedStack(inject('stack'), ['kafka']);
    const connection = { brokers: [kafka], clientId: 'contract' };
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
