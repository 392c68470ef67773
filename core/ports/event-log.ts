/**
 * The log between the stages: Kafka, or its model in memory.
 */

export interface PartitionRef {
  readonly topic: string;
  readonly partition: number;
}

export interface LogRecord {
  readonly offset: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** When the broker appended it. */
  readonly timestampMs: number;
}

/** Consecutive records of one partition. */
export interface LogBatch extends PartitionRef {
  /** The offset asked for: compare it with what is stored before anything else. */
  readonly fetchedOffset: number;
  readonly records: readonly LogRecord[];
  /** One past the last offset covered, holes included. */
  readonly nextOffset: number;
  readonly highWatermark: number;
}

export interface OutgoingRecord extends PartitionRef {
  readonly key: string;
  readonly value: Buffer | string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface LogProducer {
  /**
   * Resolves when every record is durable on all in-sync replicas; records of one partition keep their order.
   * A caller has one send in flight at a time: two at once may swap after a lost connection. When it rejects, some
   * records may have been written.
   */
  send(records: readonly OutgoingRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** What a worker wants after a batch. */
export type BatchVerdict =
  | { readonly kind: 'advance'; readonly nextOffset: number }
  /** The stored position differs from what was fetched: go there. Nothing was processed. */
  | { readonly kind: 'seek'; readonly offset: number };

export interface PartitionWorker {
  /**
   * Called with one batch of a partition at a time, never twice at once for the same partition, side by side for
   * different ones. A rejection means the batch is delivered again after a pause.
   */
  handle(batch: LogBatch, signal: AbortSignal): Promise<BatchVerdict>;
  /** The group was balanced anew: whatever was held for a partition must be acquired again before use. */
  reassigned(): void;
}

export interface SubscribeOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** How many partitions are worked on at once. */
  readonly concurrency: number;
  readonly batchRecordsMax: number;
}

export interface LogSubscription {
  /** Resolves when the batches in hand are finished and the group is left. */
  stop(): Promise<void>;
  /** Rejects when the subscription ended by a failure that waiting does not heal. */
  readonly failed: Promise<never>;
}

export interface EventLog {
  producer(): Promise<LogProducer>;
  subscribe(options: SubscribeOptions, worker: PartitionWorker): Promise<LogSubscription>;
}
