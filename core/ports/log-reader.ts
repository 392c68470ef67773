import type { LogRecord, PartitionRef } from './event-log.ts';

/** Looks single records up, outside of any consumer group. */
export interface LogReader {
  /** Null where the log no longer has it. */
  recordAt(ref: PartitionRef, offset: number): Promise<LogRecord | null>;
}
