import kafkajs, { type TopicMessages } from 'kafkajs';
import type { OutgoingRecord } from '../../core/ports/event-log.ts';
import { type KafkaConnection, kafkaClient } from './kafkajs-client.ts';
import { type Compression, type ProducerClient, tooLarge } from './log-producer.ts';

const requestTimeoutMs = 10_000;
const connectRetries = 3;

/** kafkajs' producer, idempotent, one request in flight. */
export async function openKafkajsProducer(connection: KafkaConnection, compression: Compression): Promise<ProducerClient> {
  let abandoned = false;
  const codec = compression === 'lz4' ? kafkajs.CompressionTypes.LZ4 : kafkajs.CompressionTypes.None;
  const producer = kafkaClient(connection, { requestTimeoutMs, retries: connectRetries }).producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry: { retries: Number.MAX_SAFE_INTEGER },
    // Asked before every attempt, which makes it the place to end the library's retrying for good: an attempt
    // after we gave up would write behind records that were sent since.
    createPartitioner: () => {
      return ({ message }) => {
        if (abandoned) throw new kafkajs.KafkaJSNonRetriableError('the send was given up');
        return message.partition!;
      };
    },
  });
  await producer.connect();
  return {
    async send(records) {
      try {
        await producer.sendBatch({ acks: -1, compression: codec, topicMessages: messagesByTopic(records) });
      } catch (error) {
        throw isTooLarge(error) ? tooLarge(error) : error;
      }
    },
    abandon() {
      abandoned = true;
    },
    async close() {
      await producer.disconnect();
    },
  };
}

function messagesByTopic(records: readonly OutgoingRecord[]): TopicMessages[] {
  const byTopic = new Map<string, TopicMessages>();
  for (const { topic, partition, key, value, headers } of records) {
    let entry = byTopic.get(topic);
    if (entry === undefined) {
      entry = { topic, messages: [] };
      byTopic.set(topic, entry);
    }
    entry.messages.push(headers === undefined ? { key, value, partition } : { key, value, partition, headers: { ...headers } });
  }
  return [...byTopic.values()];
}

function isTooLarge(error: unknown): boolean {
  const origin = error instanceof kafkajs.KafkaJSNonRetriableError && error.cause !== undefined ? error.cause : error;
  return origin instanceof kafkajs.KafkaJSProtocolError && ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'].includes(origin.type);
}
