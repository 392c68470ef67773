import { type EntityId, type GoldenRecord, rawHeaders } from '../core/change-event.ts';
import { type DeadLetterTopic, deadLetterMessages } from '../core/dead-letter.ts';
import { SyncError } from '../core/errors.ts';
import { encodeRejoin } from '../core/identity/move-message.ts';
import { partitionOf } from '../core/partition.ts';
import type { LogProducer, OutgoingRecord, PartitionRef } from '../core/ports/event-log.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import type { Outbox, SyncLease, SyncStore } from '../core/ports/sync-store.ts';
import { ProducerPool } from '../core/producer-pool.ts';

export interface PublishLine {
  readonly resolvedTopic: string;
  readonly resolvedPartitions: number;
  readonly goldenCodec: RecordCodec<GoldenRecord>;
}

export interface PublisherDeps {
  readonly store: SyncStore;
  readonly producers: readonly LogProducer[];
  readonly deadLetters: DeadLetterTopic;
}

/** A process that was paused may find newer versions after its own; each look finds fewer. */
const repairsMax = 50;

/**
 * Publishes what a batch left in the outbox. Invariant 3: the row is removed only after the acknowledgement, so whoever
 * owns the partition next publishes what we could not; the golden record is read then, because only the newest counts.
 */
export class Publisher {
  readonly #deps: PublisherDeps;
  readonly #producers: ProducerPool;
  /** By partition: whose publication did not end well. An older version of theirs may stand last on the topic. */
  readonly #doubtful = new Map<string, { readonly ref: PartitionRef; readonly entityIds: Set<EntityId> }>();

  constructor(deps: PublisherDeps) {
    this.#deps = deps;
    this.#producers = new ProducerPool(deps.producers);
  }

  /** Right after the commit: the golden records are at hand. */
  publish(lease: SyncLease, line: PublishLine, rowId: number, outbox: Outbox, golden: readonly GoldenRecord[]): Promise<void> {
    return this.#watched(lease, outbox.resolved, async () => {
      await this.#producers.send([...this.#goldenMessages(line, golden), ...this.#noticeMessages(outbox)]);
      await this.#clear(lease, line, [rowId], golden);
    });
  }

  /** After an assignment, before anything is consumed: what the owner before us left, and what we left ourselves. */
  async drain(lease: SyncLease, line: PublishLine): Promise<void> {
    const rows = await this.#deps.store.pendingOutbox(lease);
    const doubtful = this.#doubtful.get(partitionId(lease))?.entityIds ?? [];
    const entityIds = [...new Set([...rows.flatMap((row) => row.resolved), ...doubtful])];
    if (rows.length === 0 && entityIds.length === 0) return;
    await this.#watched(lease, entityIds, async () => {
      const golden = entityIds.length === 0 ? [] : await this.#deps.store.goldenOf(entityIds);
      await this.#producers.send([...this.#goldenMessages(line, golden), ...rows.flatMap((row) => this.#noticeMessages(row))]);
      await this.#clear(
        lease,
        line,
        rows.map((row) => row.id),
        golden,
      );
    });
    this.#doubtful.delete(partitionId(lease));
  }

  doubtfulPartitions(): PartitionRef[] {
    return [...this.#doubtful.values()].map((doubtful) => doubtful.ref);
  }

  /** A send that fails may have been written all the same: its entities stay in doubt until a drain ends well. */
  async #watched(lease: SyncLease, entityIds: readonly EntityId[], action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const ref = { topic: lease.topic, partition: lease.partition };
      const doubtful = this.#doubtful.get(partitionId(lease)) ?? { ref, entityIds: new Set() };
      for (const entityId of entityIds) doubtful.entityIds.add(entityId);
      this.#doubtful.set(partitionId(lease), doubtful);
      throw error;
    }
  }

  async #clear(lease: SyncLease, line: PublishLine, ids: readonly number[], published: readonly GoldenRecord[]): Promise<void> {
    if (await this.#deps.store.clearOutbox(lease, ids)) return;
    await this.#repair(line, published);
    throw new SyncError('lease.lost', `${partitionId(lease)} belongs to another process now`);
  }

  /**
   * The lease was lost before our message was written, so an older version of ours may stand behind a newer one.
   * The newest is put last again; when the tables show none newer, whoever commits one publishes it after us.
   */
  async #repair(line: PublishLine, published: readonly GoldenRecord[]): Promise<void> {
    let last = published;
    for (let attempt = 0; attempt < repairsMax && last.length > 0; attempt++) {
      const versions = new Map<EntityId, GoldenRecord>(last.map((record) => [record.entityId, record]));
      const current = await this.#deps.store.goldenOf([...versions.keys()]);
      last = current.filter((record) => isNewer(record, versions.get(record.entityId)!));
      await this.#producers.send(this.#goldenMessages(line, last));
    }
  }

  #goldenMessages(line: PublishLine, golden: readonly GoldenRecord[]): OutgoingRecord[] {
    return golden.map((record) => ({
      topic: line.resolvedTopic,
      partition: partitionOf(record.entityId, line.resolvedPartitions),
      key: record.entityId,
      value: line.goldenCodec.encode(record),
    }));
  }

  #noticeMessages(outbox: Outbox): OutgoingRecord[] {
    const letters = deadLetterMessages(outbox.deadLetters, this.#deps.deadLetters);
    const forgets = outbox.forgets.map((notice) => ({
      topic: notice.topic,
      partition: notice.partition,
      key: notice.key,
      value: null,
      headers: { [rawHeaders.control]: 'forget' },
    }));
    const rejoins = (outbox.rejoins ?? []).map(({ topic, partition, key, rejoin }) => ({
      topic,
      partition,
      key,
      value: encodeRejoin(rejoin),
      headers: { [rawHeaders.control]: 'rejoin' },
    }));
    return [...letters, ...forgets, ...rejoins];
  }
}

function partitionId(ref: PartitionRef): string {
  return `${ref.topic}/${ref.partition}`;
}

function isNewer(record: GoldenRecord, than: GoldenRecord): boolean {
  const { version } = record;
  return version.epoch > than.version.epoch || (version.epoch === than.version.epoch && version.n > than.version.n);
}
