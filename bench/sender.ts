import { setTimeout as sleep } from 'node:timers/promises';
import type { ChangeEvent } from '../core/change-event.ts';
import { jsonCodecs } from '../core/codec/json-codec.ts';
import { partitionOf } from '../core/partition.ts';
import type { LogProducer, OutgoingRecord } from '../core/ports/event-log.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import type { Rig } from './rig.ts';
import { type Change, changeEventOf, partitions, rawTopic } from './workload.ts';

const producersAtOnce = 2;
/** A thousand a partition: the batches of a connector in a hurry. */
const chunkRecords = 4_000;

/** Appends changes to the raw topic as a connector would: keyed, by partition, acknowledged by all replicas. */
export class Sender {
  readonly #codec: RecordCodec<ChangeEvent>;
  readonly #producers: readonly LogProducer[];

  private constructor(codec: RecordCodec<ChangeEvent>, producers: readonly LogProducer[]) {
    this.#codec = codec;
    this.#producers = producers;
  }

  static async open(rig: Rig): Promise<Sender> {
    const codec = await jsonCodecs().for('change', rawTopic);
    return new Sender(codec, await Promise.all(Array.from({ length: producersAtOnce }, () => rig.log.producer())));
  }

  /** As fast as it goes. The n-th change is asked for when its turn comes, so nothing is held but one chunk. */
  async preload(count: number, changeAt: (n: number) => Change, signal: AbortSignal): Promise<void> {
    let sending: Promise<unknown> = Promise.resolve();
    for (let from = 0; from < count; from += chunkRecords) {
      signal.throwIfAborted();
      const lots: OutgoingRecord[][] = this.#producers.map(() => []);
      for (let n = from; n < Math.min(count, from + chunkRecords); n++) {
        const record = this.#recordOf(changeAt(n));
        lots[record.partition % producersAtOnce]!.push(record);
      }
      await sending;
      sending = Promise.all(lots.map((lot, index) => this.#producers[index]!.send(lot)));
      // Awaited in the next turn; a rejection in between is not one that nobody handles.
      sending.catch(() => undefined);
    }
    await sending;
  }

  /**
   * At a fixed rate, whatever the pipeline does: the n-th change is due at its time, carries that time as its own, and
   * what is due when the producer is free goes in one send.
   */
  async pace(
    count: number,
    perSecond: number,
    changeAt: (n: number, dueMs: number) => Change,
    signal: AbortSignal,
  ): Promise<void> {
    const producer = this.#producers[0]!;
    const beganMs = Date.now();
    const dueMs = (n: number) => beganMs + Math.floor((n * 1_000) / perSecond);
    for (let sent = 0; sent < count; ) {
      const waitMs = dueMs(sent) - Date.now();
      if (waitMs > 0) await sleep(waitMs, undefined, { signal });
      const nowMs = Date.now();
      const lot: OutgoingRecord[] = [];
      while (sent < count && dueMs(sent) <= nowMs) {
        lot.push(this.#recordOf(changeAt(sent, dueMs(sent))));
        sent++;
      }
      if (lot.length > 0) await producer.send(lot);
    }
  }

  #recordOf(change: Change): OutgoingRecord {
    const event = changeEventOf(change);
    return {
      topic: rawTopic,
      partition: partitionOf(event.key, partitions),
      key: event.key,
      value: this.#codec.encode(event),
    };
  }
}
