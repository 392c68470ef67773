import type { EntityId, EventId } from '../change-event.ts';
import { rawHeaders } from '../change-event.ts';
import { eventIdOf } from '../event-id.ts';
import { partitionOf } from '../partition.ts';
import type { LogProducer, OutgoingRecord } from '../ports/event-log.ts';
import type { Position } from '../position.ts';
import { ProducerPool } from '../producer-pool.ts';
import type { TopicNames } from '../topics.ts';
import type { RecordName } from './binding.ts';
import type { MoveReason } from './move.ts';
import { encodeRelink } from './move-message.ts';

export interface RelinkOrder {
  readonly record: RecordName;
  readonly to: EntityId;
  readonly reason: MoveReason;
  readonly by: string;
}

export interface RelinkSenderDeps {
  readonly producer: LogProducer;
  readonly topics: TopicNames;
  readonly partitions: number;
  readonly nowMs: () => number;
  /** Never the same twice: the id of the order's event is made of it. */
  drawPosition(): Position;
}

/** An order to move a record stands among the changes of that record, so that it is clear what came before it. */
export class RelinkSender {
  readonly #deps: RelinkSenderDeps;
  readonly #producers: ProducerPool;

  constructor(deps: RelinkSenderDeps) {
    this.#deps = deps;
    this.#producers = new ProducerPool([deps.producer]);
  }

  /** Resolves with their event ids when Kafka has all of them. */
  async send(orders: readonly RelinkOrder[]): Promise<EventId[]> {
    const { topics, partitions, nowMs, drawPosition } = this.#deps;
    const sent = orders.map(({ record: { source, kind, key }, to, reason, by }) => {
      const eventId = eventIdOf(source, kind, key, drawPosition(), nowMs());
      const message: OutgoingRecord = {
        topic: topics.raw(source, kind),
        partition: partitionOf(key, partitions),
        key,
        value: encodeRelink({ eventId, to, reason, by }),
        headers: { [rawHeaders.control]: 'relink' },
      };
      return { eventId, message };
    });
    if (sent.length > 0) await this.#producers.send(sent.map(({ message }) => message));
    return sent.map(({ eventId }) => eventId);
  }
}
