import { isSyncError, SyncError } from '../../core/errors.ts';
import type { LogProducer, OutgoingRecord } from '../../core/ports/event-log.ts';
import { unavailable } from './admin.ts';
import type { KafkaConnection } from './kafkajs-client.ts';
import { portionsOf } from './portions.ts';

export type Compression = 'lz4' | 'none';

/** One life of a client library's producer. It is thrown away after its first failure. */
export interface ProducerClient {
  /**
   * One at a time. May retry by itself until abandoned; rejects when it gives up, with a SyncError where a record is
   * at fault.
   */
  send(records: readonly OutgoingRecord[]): Promise<void>;
  /** After this returns no further attempt is begun; the send in flight settles soon. */
  abandon(): void;
  close(): Promise<void>;
}

export interface LogProducerOptions {
  readonly connection: KafkaConnection;
  readonly open: () => Promise<ProducerClient>;
  available(answers: boolean, error?: unknown): void;
  readonly sendTimeoutMs?: number;
}

const sendTimeoutDefaultMs = 30_000;
/** A send that takes so long means that Kafka is out, even if it comes back in time. */
const slowMs = 6_000;
const closeTimeoutMs = 5_000;

/**
 * A producer that outlives its clients. After a send that failed the broker and the client may disagree on what was
 * written, and the next send under the same sequence number could be taken for a repetition and dropped: so a client
 * that failed is never used again.
 */
export function createLogProducer(options: LogProducerOptions): LogProducer {
  const { connection, open, available, sendTimeoutMs = sendTimeoutDefaultMs } = options;
  let client: ProducerClient | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  const sendPortion = async (records: readonly OutgoingRecord[]) => {
    let current: ProducerClient | undefined;
    const deadline = setTimeout(() => current?.abandon(), sendTimeoutMs);
    const slow = setTimeout(() => available(false), slowMs);
    try {
      client ??= await open();
      current = client;
      await current.send(records);
      available(true);
    } catch (error) {
      client = undefined;
      void current?.close().catch(() => undefined);
      if (isSyncError(error)) throw error;
      available(false, error);
      throw unavailable(connection, error);
    } finally {
      clearTimeout(deadline);
      clearTimeout(slow);
    }
  };

  const sendAll = async (records: readonly OutgoingRecord[]) => {
    for (const portion of portionsOf(records)) await sendPortion(portion);
  };

  return {
    send(records) {
      if (records.length === 0) return Promise.resolve();
      const sent = queue.then(() => sendAll(records));
      queue = sent.catch(() => undefined);
      return sent;
    },
    async close() {
      await queue;
      const closing = client;
      client = undefined;
      if (closing === undefined) return;
      const { promise: waited, resolve: giveUp } = Promise.withResolvers<void>();
      const timer = setTimeout(giveUp, closeTimeoutMs);
      await Promise.race([closing.close().catch(() => undefined), waited]);
      clearTimeout(timer);
    },
  };
}

/** What the clients make of the broker's answer to a record above its limit. */
export function tooLarge(cause: unknown): SyncError {
  return new SyncError('record.too-large', 'Kafka refused a record: it is larger than its topic allows', { cause });
}
