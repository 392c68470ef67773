import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { kafkaClient } from '../adapters/kafka/kafkajs-client.ts';
import { logEndsWith } from '../adapters/kafka/offsets.ts';
import { readTopic } from '../adapters/kafka/reader.ts';
import { ensureTopics } from '../adapters/kafka/topics.ts';
import type { Rig } from './rig.ts';
import { partitions } from './workload.ts';

/** A row as it arrived, and when the broker appended it. */
export interface Arrival {
  readonly id: number;
  readonly version: number;
  readonly atMs: number;
}

export type ArrivedRow = (value: Buffer) => Pick<Arrival, 'id' | 'version'> | null;

export interface Span {
  readonly seconds: number;
  readonly perSecond: number;
}

const pollMs = 50;
const stallMsMax = 120_000;

/** A topic whose end is watched, and which is read when the clock has stopped. */
export class CaptureTopic {
  readonly name: string;
  readonly #rig: Rig;
  readonly #admin: Admin;
  #from = new Map<number, number>();

  private constructor(rig: Rig, name: string, admin: Admin) {
    this.#rig = rig;
    this.name = name;
    this.#admin = admin;
  }

  static async open(rig: Rig, name: string): Promise<CaptureTopic> {
    await ensureTopics(rig.kafka, [{ name, partitions, cleanup: 'age' }], { replicationFactor: 1 });
    const admin = kafkaClient(rig.kafka).admin();
    await admin.connect();
    return new CaptureTopic(rig, name, admin);
  }

  /** What comes from here on is counted. */
  async mark(): Promise<void> {
    this.#from = new Map((await this.#ends()).map(({ partition, end }) => [partition, end]));
  }

  /** Resolves when so many records have come since the mark; `check` may throw what has gone wrong on their way. */
  async arrived(count: number, check: () => Promise<void>): Promise<void> {
    let [last, movedMs] = [-1, performance.now()];
    for (;;) {
      const ends = await this.#ends();
      const come = ends.reduce((sum, { partition, end }) => sum + end - (this.#from.get(partition) ?? 0), 0);
      if (come >= count) return;
      const nowMs = performance.now();
      if (come > last) [last, movedMs] = [come, nowMs];
      else if (nowMs - movedMs > 5_000) await check();
      assert(nowMs - movedMs < stallMsMax, `${this.name}: nothing comes after ${come} of ${count} records`);
      await sleep(pollMs, undefined, { signal: this.#rig.signal });
    }
  }

  /** Everything since the mark. */
  async arrivals(rowOf: ArrivedRow): Promise<Arrival[]> {
    const arrivals: Arrival[] = [];
    for await (const { records } of readTopic(this.#rig.kafka, this.name, { fromOffsets: this.#from })) {
      for (const { value, timestampMs } of records) {
        const row = value === null ? null : rowOf(value);
        if (row !== null) arrivals.push({ ...row, atMs: timestampMs });
      }
    }
    return arrivals;
  }

  async close(): Promise<void> {
    await this.#admin.disconnect();
  }

  #ends() {
    return logEndsWith(this.#admin, [this.name]);
  }
}

/** From the first append to the last. What came with the first is not counted: it was on its way before the clock began. */
export function spanOf(arrivals: readonly Arrival[]): Span {
  const firstMs = firstOf(arrivals);
  const lastMs = arrivals.reduce((last, { atMs }) => Math.max(last, atMs), firstMs);
  const counted = arrivals.filter(({ atMs }) => atMs > firstMs).length;
  const seconds = (lastMs - firstMs) / 1_000;
  return { seconds, perSecond: counted / seconds };
}

export function firstOf(arrivals: readonly Arrival[]): number {
  return arrivals.reduce((first, { atMs }) => Math.min(first, atMs), Number.POSITIVE_INFINITY);
}

/** Each of the rows came, in this version; a benchmark that loses something has measured nothing. */
export function checkArrivals(arrivals: readonly Arrival[], rows: number, version: number, whose: string): void {
  const come = new Set(arrivals.filter((arrival) => arrival.version === version).map(({ id }) => id));
  assert.equal(come.size, rows, `${whose}: ${come.size} of ${rows} rows came in version ${version}`);
}
