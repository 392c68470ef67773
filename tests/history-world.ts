import type pg from 'pg';
import { createSyncStore } from '../adapters/postgres/sync-store.ts';
import { checksumOf } from '../core/canonical/canonical.ts';
import type { CanonicalRecord, ChangeEvent, EntityId } from '../core/change-event.ts';
import { jsonCodecs } from '../core/codec/json-codec.ts';
import { AnswerSender } from '../core/conflict/answer-sender.ts';
import type { ConflictPolicy } from '../core/conflict/policy.ts';
import { operatorSource, operatorSourceType } from '../core/conflict/voice.ts';
import { eventIdOf } from '../core/event-id.ts';
import type { JsonObject } from '../core/json.ts';
import type { OutgoingRecord } from '../core/ports/event-log.ts';
import type { SyncLease, SyncStore } from '../core/ports/sync-store.ts';
import { orderOf, positionOf } from '../core/position.ts';
import { topicNames } from '../core/topics.ts';
import { sharedEntities } from '../sync-manager/arrival.ts';
import { decide } from '../sync-manager/decide.ts';

const topic = 'entity.product';
/** Each world owns a partition of its own. */
let worlds = 0;
const beganMs = Date.UTC(2026, 0, 1);

/** A sync manager without Kafka: changes are decided and written as they are in the product. */
export class HistoryWorld {
  readonly answers: AnswerSender;
  /** Decisions that were sent and not taken yet. */
  readonly sent: OutgoingRecord[] = [];
  readonly #store: SyncStore;
  readonly #policy: ConflictPolicy;
  readonly #isShared: boolean;
  readonly #partition = worlds++;
  #lease: SyncLease | undefined;
  #changes = 0;

  constructor(pool: pg.Pool, policy: ConflictPolicy, isShared = true) {
    this.#store = createSyncStore(pool);
    this.#policy = policy;
    this.#isShared = isShared;
    let positions = 0;
    this.answers = new AnswerSender({
      producer: { send: async (records) => void this.sent.push(...records), close: async () => undefined },
      codecs: jsonCodecs(),
      topics: topicNames(),
      partitions: 4,
      drawPosition: () => positionOf(1, orderOf(++positions)),
    });
  }

  /** The n-th change happens and comes in at the n-th minute of 2026. */
  async change(source: string, key: string, data: JsonObject | null): Promise<CanonicalRecord> {
    const atMs = beganMs + ++this.#changes * 60_000;
    const position = positionOf(1, orderOf(this.#changes));
    const record: CanonicalRecord = {
      eventId: eventIdOf(source.toLowerCase(), 'product', key, position, atMs),
      source: source.toLowerCase(),
      sourceType: source,
      kind: 'product',
      key,
      entityId: `product:${key}` as EntityId,
      operation: data === null ? 'delete' : 'update',
      position,
      occurredAt: new Date(atMs).toISOString(),
      receivedAtMs: atMs,
      correlationId: 'c',
      checksum: data && checksumOf(data),
      data,
      origin: { topic: 'source.x.product', partition: 0, offset: this.#changes },
    };
    await this.#take(record);
    return record;
  }

  /** Lets the decisions that were sent arrive, as the processor hands them on. */
  async takeAnswers(): Promise<void> {
    const codec = await jsonCodecs().for('change', '');
    for (const { value, key } of this.sent.splice(0)) {
      const event: ChangeEvent = codec.decode(Buffer.from(value!));
      await this.#take({
        ...event,
        sourceType: operatorSourceType,
        entityId: `product:${key}` as EntityId,
        receivedAtMs: beganMs + ++this.#changes * 60_000,
        checksum: checksumOf(event.data!),
        origin: { topic: topicNames().raw(operatorSource, event.kind), partition: 0, offset: this.#changes },
      });
    }
  }

  async #take(record: CanonicalRecord): Promise<void> {
    this.#lease ??= await this.#store.acquire({ topic, partition: this.#partition });
    const arrivals = [{ kind: 'record' as const, record }];
    const heads = await this.#store.headsOf([record.entityId]);
    const shared = await this.#store.statesOf(this.#isShared ? [record.entityId] : sharedEntities(arrivals, heads));
    const none = new Set<never>();
    const [policy, isShared] = [this.#policy, this.#isShared];
    const effects = decide({
      arrivals,
      heads,
      shared,
      known: none,
      writeBacks: [],
      policy,
      isShared,
      written: new Map(),
      pairs: [],
    });
    const written = await this.#store.write(this.#lease, { through: this.#lease.nextOffset + 1, settledThrough: {} }, effects);
    if (written === null) throw new Error('the world does not own its partition');
    this.#lease = written.lease;
  }
}
