import { isSyncError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Logger } from '../core/ports/logger.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import type { Metrics } from './metrics.ts';

export interface TelemetryOptions {
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock?: Pick<Clock, 'nowMs'>;
}

/** Dead letters of one stage, source and code are logged at most this often, with their number. */
const deadLetterLogIntervalMs = 10_000;

interface UnloggedDeadLetters {
  loggedAtMs: number;
  since: number;
}

export function createTelemetry({ metrics, logger, clock = { nowMs: Date.now } }: TelemetryOptions): Telemetry {
  const eventsIn = metrics.counter('syncline_events_in_total');
  const eventsOut = metrics.counter('syncline_events_out_total');
  const batchRecords = metrics.histogram('syncline_batch_records');
  const batchSeconds = metrics.histogram('syncline_batch_duration_seconds');
  const latencySeconds = metrics.histogram('syncline_latency_seconds');
  const lagRecords = metrics.gauge('syncline_consumer_lag_records');
  const partitionsOwned = metrics.gauge('syncline_partitions_owned');
  const errors = metrics.counter('syncline_errors_total');
  const deadLetters = metrics.counter('syncline_dead_letters_total');
  const cacheReads = metrics.counter('syncline_state_cache_reads_total');
  const cacheEras = metrics.counter('syncline_state_cache_eras_total');
  const streamsRunning = metrics.gauge('syncline_source_stream_running');
  const partAvailable = metrics.gauge('syncline_part_available');

  const owned = new Map<string, Set<string>>();
  const unlogged = new Map<string, UnloggedDeadLetters>();
  const available = new Map<string, boolean>();

  function countOwned(stage: string, change: (partitions: Set<string>) => void): void {
    const partitions = owned.get(stage) ?? new Set();
    owned.set(stage, partitions);
    change(partitions);
    partitionsOwned.set({ stage }, partitions.size);
  }

  return {
    recordsIn({ stage, source, records }) {
      eventsIn.inc({ stage, source }, records);
    },
    recordsOut({ stage, source, outcome, records }) {
      eventsOut.inc({ stage, source, outcome }, records);
    },
    batchFinished({ stage, topic, partition, records, durationMs, lag }) {
      batchRecords.observe({ stage }, records);
      batchSeconds.observe({ stage }, durationMs / 1_000);
      lagRecords.set({ stage, topic, partition }, lag);
    },
    latencyObserved({ source, latencyMs }) {
      latencySeconds.observe({ source }, latencyMs / 1_000);
    },
    cacheRead({ hits, misses }) {
      cacheReads.inc({ result: 'hit' }, hits);
      cacheReads.inc({ result: 'miss' }, misses);
    },
    partitionAcquired({ stage, topic, partition, token, nextOffset }) {
      countOwned(stage, (partitions) => partitions.add(`${topic}/${partition}`));
      logger.info('partition taken over', { stage, topic, partition, lease: token, nextOffset });
    },
    partitionLost({ stage, topic, partition }) {
      countOwned(stage, (partitions) => partitions.delete(`${topic}/${partition}`));
      // Its new owner reports the lag from now on.
      lagRecords.remove({ stage, topic, partition });
      logger.info('partition given up', { stage, topic, partition });
    },
    cacheEraBegun({ topic, partition, era, reason }) {
      cacheEras.inc();
      logger.warn('state cache begins anew: nothing is lost, more is compared downstream', { topic, partition, era, reason });
    },
    deadLettered({ stage, source, code, reason, correlationId, key }) {
      deadLetters.inc({ stage, source, code });
      errors.inc({ stage, code });
      const subject = `${stage}/${source}/${code}`;
      const state = unlogged.get(subject) ?? { loggedAtMs: Number.NEGATIVE_INFINITY, since: 0 };
      unlogged.set(subject, state);
      state.since++;
      const nowMs = clock.nowMs();
      if (nowMs - state.loggedAtMs < deadLetterLogIntervalMs) return;
      logger.error('dead letters', { stage, source, code, records: state.since, reason, correlationId, key });
      state.loggedAtMs = nowMs;
      state.since = 0;
    },
    batchFailed({ stage, topic, partition, error, retryInMs }) {
      errors.inc({ stage, code: isSyncError(error) ? error.code : 'internal' });
      logger.warn('batch failed and is tried again', { stage, topic, partition, retryInMs, error });
    },
    streamChanged({ source, stream, running, error }) {
      streamsRunning.set({ source, stream }, running ? 1 : 0);
      if (error !== undefined) errors.inc({ stage: 'source', code: isSyncError(error) ? error.code : 'internal' });
      if (running) logger.info('stream is read here', { source, stream });
      else if (error === undefined) logger.info('stream is no longer read here', { source, stream });
      else logger.warn('stream rests', { source, stream, error });
    },
    partAvailability({ part, available: answers, error }) {
      partAvailable.set({ part }, answers ? 1 : 0);
      const answered = available.get(part) ?? true;
      available.set(part, answers);
      if (answers && !answered) logger.info(`${part} answers again`, { part });
      if (!answers && answered) logger.warn(`${part} does not answer`, { part, error });
    },
  };
}
