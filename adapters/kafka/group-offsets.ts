import type { EachBatchPayload } from 'kafkajs';
import type { PartitionRef } from '../../core/ports/event-log.ts';

const commitIntervalMs = 5_000;
const commitTimeoutMs = 2_000;

/**
 * What the group tells tools about its lag. Where work goes on is decided by the worker's own store, so a commit
 * that fails or comes late changes nothing.
 */
export class GroupOffsets {
  readonly #reached = new Map<string, PartitionRef & { offset: string }>();
  #commitOffsets: EachBatchPayload['commitOffsetsIfNecessary'] | undefined;
  #lastCommitMs = 0;

  /** The client's way to commit, good for its membership. `consumer.commitOffsets` would retry without end. */
  through(commitOffsets: EachBatchPayload['commitOffsetsIfNecessary']): void {
    this.#commitOffsets = commitOffsets;
  }

  reached({ topic, partition }: PartitionRef, nextOffset: number): void {
    this.#reached.set(`${topic}/${partition}`, { topic, partition, offset: String(nextOffset) });
  }

  clear(): void {
    this.#reached.clear();
  }

  async commitIfDue(nowMs: number): Promise<void> {
    if (nowMs - this.#lastCommitMs < commitIntervalMs) return;
    this.#lastCommitMs = nowMs;
    await this.commit();
  }

  async commit(): Promise<void> {
    if (this.#reached.size === 0 || this.#commitOffsets === undefined) return;
    const topics = Map.groupBy(this.#reached.values(), ({ topic }) => topic);
    this.#reached.clear();
    const { promise: waited, resolve: giveUp } = Promise.withResolvers<void>();
    const timer = setTimeout(giveUp, commitTimeoutMs);
    const committed = this.#commitOffsets({ topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })) });
    await Promise.race([committed.catch(() => undefined), waited]);
    clearTimeout(timer);
  }
}
