import { findErrorBy, Producer } from '@platformatic/kafka';
import type { OutgoingRecord } from '../../core/ports/event-log.ts';
import { backoffMs } from './backoff.ts';
import type { KafkaConnection } from './kafkajs-client.ts';
import { type Compression, type ProducerClient, tooLarge } from './log-producer.ts';

const connectTimeoutMs = 3_000;
/** How long the broker may wait for its replicas, and we for the broker. */
const acknowledgeTimeoutMs = 8_000;
const requestTimeoutMs = 10_000;
const metadataMaxAgeMs = 60_000;
const retryFirstMs = 100;
const retryMaxMs = 500;

type Message = string | Buffer | null;

const bytesOf = (data: Message | undefined): Buffer | undefined =>
  typeof data === 'string' ? Buffer.from(data) : (data as Buffer | undefined);

/** @platformatic/kafka's producer: idempotent, not transactional, one send after another. */
export async function openPlatformaticProducer(connection: KafkaConnection, compression: Compression): Promise<ProducerClient> {
  const options = {
    clientId: connection.clientId,
    bootstrapBrokers: [...connection.brokers],
    idempotent: true,
    acks: -1,
    compression,
    autocreateTopics: false,
    connectTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    timeout: acknowledgeTimeoutMs,
    metadataMaxAge: metadataMaxAgeMs,
    // Under the same sequence number, until the send succeeds or is abandoned.
    retries: Number.MAX_SAFE_INTEGER,
    retryDelay: (_client: unknown, _operation: string, attempt: number) => backoffMs(attempt, retryFirstMs, retryMaxMs),
    serializers: { key: bytesOf, value: bytesOf, headerKey: bytesOf, headerValue: bytesOf },
  };
  const producer = new Producer<Message, Message, Message, Message>(options);
  return {
    async send(records) {
      try {
        await producer.send({ messages: records.map(messageOf) });
      } catch (error) {
        throw isTooLarge(error) ? tooLarge(error) : error;
      }
    },
    abandon() {
      void producer.close().catch(() => undefined);
    },
    async close() {
      await producer.close();
    },
  };
}

function messageOf({ topic, partition, key, value, headers }: OutgoingRecord) {
  return headers === undefined ? { topic, partition, key, value } : { topic, partition, key, value, headers };
}

function isTooLarge(error: unknown): boolean {
  return ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'].some((id) => findErrorBy(error as Error, 'apiId', id) !== null);
}
