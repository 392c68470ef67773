import kafkajs, { type TopicMessages } from 'kafkajs';
import type { OutgoingRecord } from '../../core/ports/event-log.ts';
import { type KafkaConnection, kafkaClient } from './kafkajs-client.ts';
import { type Compression, type ProducerClient, tooLarge } from './log-producer.ts';

const requestTimeoutMs = 8_000;
/** About a minute; a send is abandoned long before. */
const connectRetries = 40;

/** kafkajs' producer, idempotent, one request in flight. */
export async function openKafkajsProducer(connection: KafkaConnection, compression: Compression): Promise<ProducerClient> {
  const { promise: givenUp, reject: giveUp } = Promise.withResolvers<never>();
  givenUp.catch(() => undefined);
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
  let connected: Promise<void> | undefined;
  const send = async (records: readonly OutgoingRecord[]) => {
    connected ??= producer.connect();
    await connected;
    await producer.sendBatch({ acks: -1, compression: codec, topicMessages: messagesByTopic(records) });
  };
  return {
    async send(records) {
      try {
        await Promise.race([send(records), givenUp]);
      } catch (error) {
        throw isTooLarge(error) ? tooLarge(error) : error;
      }
    },
    abandon() {
      abandoned = true;
      // The request on its way is answered or has timed out by then; whatever else the library waits for is idle.
      setTimeout(() => giveUp(new Error('the send was given up')), requestTimeoutMs).unref();
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
