import { randomUUID } from 'node:crypto';
import kafkajs, { type Message } from 'kafkajs';

export interface RawChange {
  readonly eventId: string;
  readonly source: string;
  readonly kind: string;
  readonly key: string;
  readonly operation: string;
  readonly position: string;
  readonly occurredAt: string;
  readonly correlationId: string;
  readonly data: unknown;
}

/** A change as a connector writes it; `order` says where it stands among the changes of its source. */
export function rawChange(kind: string, key: string, order: number, data: unknown, more: Partial<RawChange> = {}): RawChange {
  return {
    eventId: randomUUID(),
    source: 'shop',
    kind,
    key,
    operation: data === null ? 'delete' : 'update',
    position: `00000001:${order.toString(16).padStart(16, '0')}`,
    occurredAt: '2026-11-21T08:30:00.000Z',
    correlationId: randomUUID(),
    data,
    ...more,
  };
}

export function rawMessage(change: RawChange): Message {
  return { key: change.key, value: JSON.stringify(change) };
}

/** Writes to the raw topic of a kind as one batch, where a partition is given all of it there. */
export async function writeRaw(
  kafka: string,
  prefix: string,
  kind: string,
  messages: readonly Message[],
  partition?: number,
): Promise<void> {
  const client = new kafkajs.Kafka({ brokers: [kafka], clientId: 'e2e', logLevel: kafkajs.logLevel.NOTHING });
  const producer = client.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  try {
    const placed = partition === undefined ? [...messages] : messages.map((message) => ({ ...message, partition }));
    await producer.send({ topic: `${prefix}source.shop.${kind}`, messages: placed, acks: -1 });
  } finally {
    await producer.disconnect();
  }
}
