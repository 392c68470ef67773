import type { EntityId, GoldenRecord } from '../core/change-event.ts';
import { partitionOf } from '../core/partition.ts';
import type { OutgoingRecord } from '../core/ports/event-log.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import type { SyncStore } from '../core/ports/sync-store.ts';
import type { ProducerPool } from '../core/producer-pool.ts';

export interface GoldenPublicationDeps {
  readonly store: Pick<SyncStore, 'goldenOf'>;
  readonly producers: ProducerPool;
  readonly topic: string;
  readonly partitions: number;
  readonly codec: RecordCodec<GoldenRecord>;
}

const repeatsMax = 10;

/**
 * Says a golden record again, so that every target looks at it. Its owner may publish a newer version in the same moment, and ours may
 * come to stand behind it: then the newest is put last again. One that is made after we looked is published after ours.
 */
export class GoldenPublication {
  readonly #deps: GoldenPublicationDeps;

  constructor(deps: GoldenPublicationDeps) {
    this.#deps = deps;
  }

  async publish(entityIds: readonly EntityId[]): Promise<void> {
    let last = await this.#deps.store.goldenOf(entityIds);
    for (let repeat = 0; repeat < repeatsMax && last.length > 0; repeat++) {
      await this.#deps.producers.send(last.map((record) => this.#message(record)));
      const versions = new Map(last.map(({ entityId, version }) => [entityId, version.n]));
      const now = await this.#deps.store.goldenOf([...versions.keys()]);
      last = now.filter(({ entityId, version }) => version.n > versions.get(entityId)!);
    }
  }

  #message(record: GoldenRecord): OutgoingRecord {
    const { topic, partitions, codec } = this.#deps;
    return { topic, partition: partitionOf(record.entityId, partitions), key: record.entityId, value: codec.encode(record) };
  }
}
