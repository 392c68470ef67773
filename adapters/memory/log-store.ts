import assert from 'node:assert';
import type { LogBatch, LogRecord, OutgoingRecord, PartitionRef } from '../../core/ports/event-log.ts';
import { partitionName } from './pace.ts';

/** The records themselves, and how far each group has committed: what a broker keeps on disk. */
export class LogStore {
  readonly #nowMs: () => number;
  readonly #partitions = new Map<string, LogRecord[]>();
  readonly #partitionCounts = new Map<string, number>();
  readonly #committed = new Map<string, number>();
  readonly #listeners = new Set<() => void>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  createTopic(topic: string, partitions: number): void {
    assert(!this.#partitionCounts.has(topic), `topic ${topic} exists`);
    this.#partitionCounts.set(topic, partitions);
    for (let partition = 0; partition < partitions; partition++) this.#partitions.set(partitionName({ topic, partition }), []);
  }

  topics(): readonly string[] {
    return [...this.#partitionCounts.keys()];
  }

  partitionsOf(topic: string): readonly PartitionRef[] {
    const partitions = this.#partitionCounts.get(topic);
    assert(partitions !== undefined, `no topic ${topic}`);
    return Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  }

  append(record: OutgoingRecord): void {
    const records = this.#recordsOf(record);
    records.push({
      offset: records.length,
      key: record.key,
      value: record.value === null ? null : Buffer.from(record.value as string),
      headers: record.headers ?? {},
      timestampMs: this.#nowMs(),
    });
    for (const listener of this.#listeners) listener();
  }

  records(ref: PartitionRef): readonly LogRecord[] {
    return this.#recordsOf(ref);
  }

  end(ref: PartitionRef): number {
    return this.#recordsOf(ref).length;
  }

  read(ref: PartitionRef, fetchedOffset: number, recordsMax: number): LogBatch {
    const records = this.#recordsOf(ref);
    const nextOffset = Math.min(records.length, fetchedOffset + recordsMax);
    return {
      topic: ref.topic,
      partition: ref.partition,
      fetchedOffset,
      records: records.slice(fetchedOffset, nextOffset),
      nextOffset,
      highWatermark: records.length,
    };
  }

  committed(groupId: string, ref: PartitionRef): number {
    return this.#committed.get(`${groupId} ${partitionName(ref)}`) ?? 0;
  }

  commit(groupId: string, ref: PartitionRef, offset: number): void {
    this.#committed.set(`${groupId} ${partitionName(ref)}`, offset);
  }

  /** Calls the listener after every append, until the returned function is called. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #recordsOf(ref: PartitionRef): LogRecord[] {
    const records = this.#partitions.get(partitionName(ref));
    assert(records !== undefined, `no partition ${partitionName(ref)}`);
    return records;
  }
}
