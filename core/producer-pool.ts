import type { LogProducer, OutgoingRecord } from './ports/event-log.ts';

/**
 * A producer has one send in flight, so whoever works on several partitions at once takes a free one of several. Records
 * of one partition keep their order because its worker waits for each send.
 */
export class ProducerPool {
  readonly #idle: LogProducer[];
  readonly #waiting: ((producer: LogProducer) => void)[] = [];

  constructor(producers: readonly LogProducer[]) {
    this.#idle = [...producers];
  }

  async send(messages: readonly OutgoingRecord[]): Promise<void> {
    if (messages.length === 0) return;
    const producer = this.#idle.pop() ?? (await new Promise<LogProducer>((resolve) => this.#waiting.push(resolve)));
    try {
      await producer.send(messages);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(producer);
      else this.#idle.push(producer);
    }
  }
}
