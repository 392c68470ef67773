import { createRequire } from 'node:module';
import kafkajs, { type Kafka, type logCreator } from 'kafkajs';
import type { Logger } from '../../core/ports/logger.ts';
import { lz4Codec } from './lz4-codec.ts';

/** Where a Kafka is and how to talk to it: what every part of this adapter needs. */
export interface KafkaConnection {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** What the client libraries say, for whoever looks for the reason of a pause. */
  readonly logger?: Pick<Logger, 'debug' | 'warn'> | undefined;
}

export interface ClientOptions {
  readonly requestTimeoutMs?: number;
  /** Without end unless the caller has something better to do than wait. */
  readonly retries?: number;
}

const connectTimeoutMs = 3_000;
const requestTimeoutDefaultMs = 20_000;
const retryDelayMs = 100;
const retryDelayMaxMs = 2_000;

kafkajs.CompressionCodecs[kafkajs.CompressionTypes.LZ4] = () => lz4Codec;
quietenTimers();

export function kafkaClient(connection: KafkaConnection, options: ClientOptions = {}): Kafka {
  return new kafkajs.Kafka({
    brokers: [...connection.brokers],
    clientId: connection.clientId,
    connectionTimeout: connectTimeoutMs,
    requestTimeout: options.requestTimeoutMs ?? requestTimeoutDefaultMs,
    retry: { initialRetryTime: retryDelayMs, maxRetryTime: retryDelayMaxMs, retries: options.retries ?? Number.MAX_SAFE_INTEGER },
    logLevel: connection.logger === undefined ? kafkajs.logLevel.NOTHING : kafkajs.logLevel.INFO,
    logCreator: logInto(connection.logger),
  });
}

/**
 * The library arms a timer after every answer, with a negative delay that Node warns about, although only a request
 * that waits has any use for it.
 */
function quietenTimers(): void {
  interface RequestQueue {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests(): void;
  }
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue') as { prototype: RequestQueue };
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) schedule.call(this);
  };
}

/** What the library calls an error it recovers from by itself; that Kafka is away is said once by the telemetry. */
function logInto(logger: KafkaConnection['logger']): logCreator {
  return () =>
    ({ level, namespace, log }) => {
      const { message, timestamp: _, logger: __, ...fields } = log;
      const text = `kafka ${namespace}: ${message}`;
      logger?.debug(text, { ...fields, level });
    };
}
