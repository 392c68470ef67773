import { isSyncError } from './errors.ts';
import type { LogProducer, OutgoingRecord } from './ports/event-log.ts';

interface Waiting {
  readonly messages: readonly OutgoingRecord[];
  readonly sent: PromiseWithResolvers<void>;
}

/** Long sends do not wait for company. */
const togetherMax = 500;

/**
 * A producer has one send in flight, so whoever works on several partitions at once takes a free one of several. What is
 * sent at the same moment, or has to wait for a producer, goes in one request. Records of one partition keep their order
 * because its worker waits for each send.
 */
export class ProducerPool {
  readonly #idle: LogProducer[];
  readonly #waiting: Waiting[] = [];

  constructor(producers: readonly LogProducer[]) {
    this.#idle = [...producers];
  }

  send(messages: readonly OutgoingRecord[]): Promise<void> {
    if (messages.length === 0) return Promise.resolve();
    const sent = Promise.withResolvers<void>();
    if (this.#waiting.push({ messages, sent }) === 1) queueMicrotask(() => this.#flush());
    return sent.promise;
  }

  #flush(): void {
    while (this.#waiting.length > 0) {
      const producer = this.#idle.pop();
      if (producer === undefined) return;
      void this.#run(producer, this.#group());
    }
  }

  #group(): Waiting[] {
    const group = [this.#waiting.shift()!];
    let records = group[0]!.messages.length;
    while (this.#waiting.length > 0 && records + this.#waiting[0]!.messages.length <= togetherMax) {
      const next = this.#waiting.shift()!;
      group.push(next);
      records += next.messages.length;
    }
    return group;
  }

  async #run(producer: LogProducer, group: readonly Waiting[]): Promise<void> {
    try {
      await producer.send(group.length === 1 ? group[0]!.messages : group.flatMap(({ messages }) => messages));
      for (const { sent } of group) sent.resolve();
    } catch (error) {
      const isOnes = isSyncError(error) && error.code === 'record.too-large';
      if (isOnes && group.length > 1) await this.#runEach(producer, group);
      else for (const { sent } of group) sent.reject(error);
    } finally {
      this.#idle.push(producer);
      this.#flush();
    }
  }

  /** A record that no broker takes is the fault of the one who sends it. */
  async #runEach(producer: LogProducer, group: readonly Waiting[]): Promise<void> {
    for (const { messages, sent } of group) await producer.send(messages).then(sent.resolve, sent.reject);
  }
}
