import type { Outcome } from '../outcome.ts';
import type { PartitionRef } from './event-log.ts';

/**
 * What happened, as typed events: the stages say it, `monitoring/` owns the metric names and the wording of the log.
 */
export type Stage = 'ingest' | 'source' | 'processor' | 'sync-manager' | 'publisher' | 'dead-letters' | 'target';

/** What became of a record at a target; `foreign`: somebody else had changed it there. */
export type TargetOutcome = 'written' | 'unchanged' | 'refused' | 'foreign-kept' | 'foreign-overwritten' | 'dead-lettered';

export interface Telemetry {
  /** Once a batch, once a source in it. */
  recordsIn(event: { stage: Stage; source: string; records: number }): void;
  recordsOut(event: {
    stage: Stage;
    source: string;
    outcome: Outcome | 'forwarded' | 'published' | 'accepted' | TargetOutcome;
    records: number;
  }): void;
  batchFinished(event: PartitionRef & { stage: Stage; records: number; durationMs: number; lag: number }): void;
  /** From the raw topic's broker to the committed tables; sampled in large batches. */
  latencyObserved(event: { source: string; latencyMs: number }): void;
  cacheRead(event: { hits: number; misses: number }): void;
  partitionAcquired(event: PartitionRef & { stage: Stage; token: number; nextOffset: number }): void;
  partitionLost(event: PartitionRef & { stage: Stage }): void;
  /** The cache could not be trusted and starts anew: costs speed, nothing else. */
  cacheEraBegun(event: PartitionRef & { era: string; reason: string }): void;
  deadLettered(event: {
    stage: Stage;
    source: string;
    code: string;
    reason: string;
    correlationId: string | null;
    key: string | null;
  }): void;
  /** A batch failed and will be tried again. */
  batchFailed(event: PartitionRef & { stage: Stage; error: unknown; retryInMs: number }): void;
  /** A stream of a source is read here from now on, or no longer; `error` says why it rests. */
  streamChanged(event: { source: string; stream: string; running: boolean; error?: unknown }): void;
  /** A part of the world stopped or resumed answering. */
  partAvailability(event: { part: string; available: boolean; error?: unknown }): void;
}
