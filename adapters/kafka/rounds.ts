const roundMs = 8;
/** So many records are worth a round of their own. */
const busyRecords = 50;

/**
 * With few changes on many partitions, batches of one record cost as much as batches of a hundred. So small ones begin
 * in rounds, those of all partitions together, and what they ask of PostgreSQL and Kafka is asked at once. The first
 * after a pause begins without waiting.
 */
export class Rounds {
  #begunMs = Number.NEGATIVE_INFINITY;
  #next: Promise<void> | undefined;

  /** Undefined: begin at once. */
  next(records: number): Promise<void> | undefined {
    if (this.#next !== undefined) return records >= busyRecords ? undefined : this.#next;
    const nowMs = performance.now();
    const restMs = this.#begunMs + roundMs - nowMs;
    if (restMs <= 0 || records >= busyRecords) {
      this.#begunMs = nowMs;
      return undefined;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    setTimeout(() => {
      this.#begunMs = performance.now();
      this.#next = undefined;
      resolve();
    }, restMs);
    this.#next = promise;
    return promise;
  }
}
