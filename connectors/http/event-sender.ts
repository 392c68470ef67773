import { SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { LogProducer, OutgoingRecord } from '../../core/ports/event-log.ts';
import type { Telemetry } from '../../core/ports/telemetry.ts';
import { Gatherer } from './gather.ts';

/** The records of one request: they are answered together. */
export interface Consignment {
  readonly source: string;
  readonly records: readonly OutgoingRecord[];
  readonly bytes: number;
}

export interface SenderLimits {
  readonly sendBytesMax: number;
  readonly queuedBytesMax: number;
  readonly gatherMs: number;
  readonly acknowledgeMsMax: number;
}

/** What a record weighs beside its bytes, so that many small ones are bounded too. */
const recordOverheadBytes = 200;

/** Invariant 1: a consignment resolves when Kafka has acknowledged it, and not before. One send at a time. */
export function createEventSender(
  producer: LogProducer,
  clock: Clock,
  telemetry: Telemetry,
  limits: SenderLimits,
): Gatherer<Consignment, true> {
  return new Gatherer<Consignment, true>({
    async run(consignments) {
      for (const [source, records] of recordsBySource(consignments)) telemetry.recordsIn({ stage: 'ingest', source, records });
      try {
        await producer.send(consignments.flatMap((consignment) => consignment.records));
      } catch (error) {
        throw notAcknowledged('Kafka did not take the events', error);
      }
      for (const [source, records] of recordsBySource(consignments)) {
        telemetry.recordsOut({ stage: 'ingest', source, outcome: 'accepted', records });
      }
      return consignments.map(() => true as const);
    },
    weightOf: (consignment) => consignment.bytes + consignment.records.length * recordOverheadBytes,
    runWeightMax: limits.sendBytesMax,
    queuedWeightMax: limits.queuedBytesMax,
    gatherMs: limits.gatherMs,
    waitMsMax: limits.acknowledgeMsMax,
    timedOut: (begun) =>
      begun
        ? notAcknowledged(`Kafka did not acknowledge within ${limits.acknowledgeMsMax} ms`)
        : new SyncError('kafka.unavailable', 'Kafka is not taking events; nothing of this request was sent'),
    clock,
  });
}

function notAcknowledged(what: string, cause?: unknown): SyncError {
  const advice = 'they may have been written or not: send them again with the same Idempotency-Key';
  return new SyncError('kafka.unavailable', `${what}; ${advice}`, cause === undefined ? {} : { cause });
}

function recordsBySource(consignments: readonly Consignment[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { source, records } of consignments) counts.set(source, (counts.get(source) ?? 0) + records.length);
  return counts;
}
