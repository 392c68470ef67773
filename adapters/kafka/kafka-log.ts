import type { EventLog, LogProducer, LogSubscription, PartitionWorker, SubscribeOptions } from '../../core/ports/event-log.ts';
import type { Stage, Telemetry } from '../../core/ports/telemetry.ts';
import type { KafkaConnection } from './kafkajs-client.ts';
import { type Compression, createLogProducer } from './log-producer.ts';
import { openSubscription } from './subscription.ts';

export interface KafkaLogOptions extends KafkaConnection {
  readonly compression: Compression;
  /** Which library sends; @platformatic/kafka is about twice as fast. */
  readonly producerClient?: ProducerLibrary;
  readonly telemetry?: Telemetry | undefined;
  /** In whose name the telemetry speaks. */
  readonly stage?: Stage;
}

export type ProducerLibrary = 'platformatic' | 'kafkajs';

/** Loaded when asked for: a process carries the memory of one library only. */
const producerOpener = {
  platformatic: async () => (await import('./platformatic-producer.ts')).openPlatformaticProducer,
  kafkajs: async () => (await import('./kafkajs-producer.ts')).openKafkajsProducer,
};

export interface KafkaLog extends EventLog {
  /** Ends whatever producers and subscriptions are still open. */
  close(): Promise<void>;
}

export function createKafkaLog(options: KafkaLogOptions): KafkaLog {
  const { telemetry, stage = 'processor', compression, producerClient = 'platformatic' } = options;
  const available = availability(telemetry);
  const producers = new Set<LogProducer>();
  const subscriptions = new Set<LogSubscription>();
  return {
    async producer() {
      const openClient = await producerOpener[producerClient]();
      const open = () => openClient(options, compression);
      const producer = createLogProducer({ connection: options, open, available });
      producers.add(producer);
      return producer;
    },
    async subscribe(subscribe: SubscribeOptions, worker: PartitionWorker) {
      const subscription = openSubscription({ connection: options, options: subscribe, worker, telemetry, stage, available });
      subscriptions.add(subscription);
      return subscription;
    },
    async close() {
      await Promise.all([...subscriptions].map((subscription) => subscription.stop()));
      await Promise.all([...producers].map((producer) => producer.close()));
    },
  };
}

/** Tells the telemetry once when Kafka goes and once when it is back. */
function availability(telemetry: Telemetry | undefined): (answers: boolean, error?: unknown) => void {
  let available = true;
  return (answers, error) => {
    if (answers === available) return;
    available = answers;
    telemetry?.partAvailability({ part: 'kafka', available, ...(error === undefined ? {} : { error }) });
  };
}
