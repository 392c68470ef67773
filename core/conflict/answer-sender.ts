import type { ChangeEvent, EntityId, EventId } from '../change-event.ts';
import { eventIdOf } from '../event-id.ts';
import type { JsonObject } from '../json.ts';
import { partitionOf } from '../partition.ts';
import type { LogProducer } from '../ports/event-log.ts';
import type { RecordCodecs } from '../ports/record-codec.ts';
import type { Position } from '../position.ts';
import { ProducerPool } from '../producer-pool.ts';
import type { TopicNames } from '../topics.ts';
import type { Answer } from './operator.ts';
import { operatorSource } from './voice.ts';

/** What a person or a webhook decided about an open conflict. */
export interface ConflictAnswer {
  readonly entityId: string;
  readonly kind: string;
  /** Who decided: stays in the history. */
  readonly by: string;
  readonly answer: Answer;
}

export interface AnswerSenderDeps {
  readonly producer: LogProducer;
  readonly codecs: RecordCodecs;
  readonly topics: TopicNames;
  readonly partitions: number;
  /** Never the same twice: the id of the answer's event is made of it. */
  drawPosition(): Position;
}

/** An answer is an event like any other: it goes through Kafka, is audited, and survives a crash. */
export class AnswerSender {
  readonly #deps: AnswerSenderDeps;
  readonly #producers: ProducerPool;

  constructor(deps: AnswerSenderDeps) {
    this.#deps = deps;
    this.#producers = new ProducerPool([deps.producer]);
  }

  /** Resolves when Kafka has acknowledged it. Sent twice it is one answer: the second finds the conflict closed. */
  async send({ entityId, kind, by, answer }: ConflictAnswer): Promise<EventId> {
    const { topics, codecs, partitions, drawPosition } = this.#deps;
    const key = keyOf(kind, entityId);
    const position = drawPosition();
    const eventId = eventIdOf(operatorSource, kind, key, position, Date.parse(answer.decidedAt));
    const event: ChangeEvent = {
      eventId,
      source: operatorSource,
      kind,
      key,
      operation: 'update',
      position,
      occurredAt: answer.decidedAt,
      correlationId: eventId,
      data: dataOf(answer, by),
    };
    const topic = topics.raw(operatorSource, kind);
    const codec = await codecs.for('change', topic);
    await this.#producers.send([{ topic, partition: partitionOf(key, partitions), key, value: codec.encode(event) }]);
    return eventId;
  }
}

function dataOf({ conflictId, decidedAt, skip, fields, removed }: Answer, by: string): JsonObject {
  const absent = removed === undefined || removed.length === 0 ? {} : { removed: [...removed] };
  return { conflictId, decidedAt, by, ...(skip ? { skip } : { fields, ...absent }) };
}

function keyOf(kind: string, entityId: string | EntityId): string {
  return entityId.startsWith(`${kind}:`) ? entityId.slice(kind.length + 1) : entityId;
}
