import { type CanonicalRecord, type GoldenRecord, goldenSourceType, type Origin } from '../core/change-event.ts';
import type { ConflictResolver } from '../core/conflict/resolver.ts';
import { deadLetterOf } from '../core/dead-letter.ts';
import { SyncError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { BatchVerdict, LogBatch, LogRecord, PartitionRef, PartitionWorker } from '../core/ports/event-log.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import {
  type BatchEffects,
  BatchRejected,
  EventsKnown,
  type SyncLease,
  type SyncStore,
  type SyncTransaction,
} from '../core/ports/sync-store.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import { type Arrival, decide, maybeKnown, sharedEntities } from './decide.ts';
import type { Publisher, PublishLine } from './publisher.ts';

/** One canonical topic as the worker sees it. */
export interface SyncLine extends PublishLine {
  readonly kind: string;
  readonly canonicalCodec: RecordCodec<CanonicalRecord>;
}

export interface SyncWorkerDeps {
  /** By canonical topic. */
  readonly lines: ReadonlyMap<string, SyncLine>;
  readonly store: SyncStore;
  readonly publisher: Publisher;
  readonly resolver: ConflictResolver;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

interface Held {
  lease: SyncLease;
  readonly epoch: number;
}

/** A stretch of the canonical partition, settled in one transaction. */
interface Stretch {
  readonly arrivals: readonly PlacedArrival[];
  readonly through: number;
}

interface PlacedArrival {
  readonly offset: number;
  readonly arrival: Arrival;
}

interface Committed {
  readonly effects: BatchEffects;
  readonly outboxId: number | null;
}

const latencySamplesMax = 32;

/** Canonical topic -> tables -> resolved topic. One transaction a batch; what it must publish is committed with it. */
export class SyncWorker implements PartitionWorker {
  readonly #deps: SyncWorkerDeps;
  readonly #held = new Map<string, Held>();

  constructor(deps: SyncWorkerDeps) {
    this.#deps = deps;
  }

  reassigned(): void {
    this.#held.clear();
  }

  async handle(batch: LogBatch): Promise<BatchVerdict> {
    const startedMs = this.#deps.clock.nowMs();
    const line = this.#deps.lines.get(batch.topic);
    if (line === undefined) throw new Error(`no line for topic ${batch.topic}`);
    try {
      const held = await this.#hold(batch, line);
      if (batch.fetchedOffset !== held.lease.nextOffset) return { kind: 'seek', offset: held.lease.nextOffset };
      await line.canonicalCodec.prepare?.(batch.records.flatMap((record) => (record.value === null ? [] : [record.value])));
      await this.#settle(held, line, { arrivals: this.#arrivals(held.lease, line, batch), through: batch.nextOffset });
    } catch (error) {
      // What we hold may be out of date now: the lease is acquired and the outbox drained before the batch is tried again.
      if (this.#held.delete(heldId(batch)))
        this.#deps.telemetry.partitionLost({ stage: 'sync-manager', topic: batch.topic, partition: batch.partition });
      throw error;
    }
    this.#deps.telemetry.batchFinished({
      stage: 'sync-manager',
      topic: batch.topic,
      partition: batch.partition,
      records: batch.records.length,
      durationMs: this.#deps.clock.nowMs() - startedMs,
      lag: batch.highWatermark - batch.nextOffset,
    });
    return { kind: 'advance', nextOffset: batch.nextOffset };
  }

  /** Publishes what a dead owner left of a partition that nothing new arrives on. A living owner acquires it anew. */
  async rescue(ref: PartitionRef): Promise<void> {
    const line = this.#deps.lines.get(ref.topic);
    if (line === undefined || this.#held.has(heldId(ref))) return;
    await this.#deps.publisher.drain(await this.#deps.store.acquire(ref), line);
  }

  async #hold(batch: LogBatch, line: SyncLine): Promise<Held> {
    const known = this.#held.get(heldId(batch));
    if (known) return known;
    const { store, publisher, telemetry } = this.#deps;
    const lease = await store.acquire(batch);
    await publisher.drain(lease, line);
    const held: Held = { lease, epoch: await store.epoch() };
    this.#held.set(heldId(batch), held);
    telemetry.partitionAcquired({
      stage: 'sync-manager',
      topic: lease.topic,
      partition: lease.partition,
      token: lease.token,
      nextOffset: lease.nextOffset,
    });
    return held;
  }

  /** Without those that were settled before: a processor that was restarted sends some again. */
  #arrivals(lease: SyncLease, line: SyncLine, batch: LogBatch): PlacedArrival[] {
    const through = new Map(Object.entries(lease.settledThrough));
    const arrivals: PlacedArrival[] = [];
    for (const message of batch.records) {
      const record = this.#decode(line, batch, message);
      if (record === null) continue;
      const id = originId(record.origin);
      if (record.origin.offset <= (through.get(id) ?? -1)) continue;
      through.set(id, record.origin.offset);
      arrivals.push({ offset: message.offset, arrival: { kind: 'record', record } });
    }
    return arrivals;
  }

  /** Null for what only a stranger can have written here: it has no raw record to account for. */
  #decode(line: SyncLine, batch: LogBatch, message: LogRecord): CanonicalRecord | null {
    try {
      if (message.value === null) throw new SyncError('record.malformed', 'the message has no value');
      return line.canonicalCodec.decode(message.value);
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      this.#deps.telemetry.deadLettered({
        stage: 'sync-manager',
        source: 'unknown',
        code: error.code,
        reason: `${batch.topic}/${batch.partition}@${message.offset}: ${error.message}`,
        correlationId: null,
        key: message.key,
      });
      return null;
    }
  }

  /** One transaction; where the database holds something against a record, halves find it and the rest goes on. */
  async #settle(held: Held, line: SyncLine, stretch: Stretch): Promise<void> {
    try {
      await this.#commit(held, line, stretch);
    } catch (error) {
      if (!(error instanceof BatchRejected)) throw error;
      for (const part of this.#smaller(line, stretch, error)) await this.#settle(held, line, part);
    }
  }

  #smaller(line: SyncLine, { arrivals, through }: Stretch, error: BatchRejected): Stretch[] {
    if (arrivals.length === 0) throw error;
    const [only] = arrivals;
    if (arrivals.length === 1 && only) {
      if (only.arrival.kind === 'dead') throw error;
      return [{ arrivals: [{ offset: only.offset, arrival: this.#deadArrival(line, only.arrival.record, error) }], through }];
    }
    const middle = arrivals.length >> 1;
    const second = arrivals.slice(middle);
    return [
      { arrivals: arrivals.slice(0, middle), through: second[0]!.offset },
      { arrivals: second, through },
    ];
  }

  #deadArrival(line: SyncLine, record: CanonicalRecord, error: BatchRejected): Arrival {
    const subject = {
      origin: record.origin,
      stage: 'sync-manager',
      source: record.source,
      kind: line.kind,
      key: record.key,
      eventId: record.eventId,
      correlationId: record.correlationId,
      body: null,
      replayOf: record.replayOf,
    } as const;
    const letter = deadLetterOf(
      subject,
      new SyncError('store.rejected', error.message, { cause: error }),
      this.#deps.clock.nowMs(),
    );
    return { kind: 'dead', record, letter };
  }

  async #commit(held: Held, line: SyncLine, stretch: Stretch): Promise<void> {
    const settledThrough = settledAfter(held.lease, stretch.arrivals);
    const arrivals = stretch.arrivals.map((placed) => placed.arrival);
    let committed: Committed | undefined;
    const attempt = (lookUpAll: boolean) =>
      this.#deps.store.transact(held.lease, stretch.through, settledThrough, async (transaction) => {
        committed = await this.#write(transaction, arrivals, lookUpAll);
      });
    const lease = await attempt(false).catch((error: unknown) => {
      if (error instanceof EventsKnown) return attempt(true);
      throw error;
    });
    if (lease === null)
      throw new SyncError('lease.lost', `${held.lease.topic}/${held.lease.partition} belongs to another process now`);
    held.lease = lease;
    if (committed === undefined) return;
    this.#tell(arrivals, committed.effects);
    const { effects, outboxId } = committed;
    if (outboxId !== null)
      await this.#deps.publisher.publish(lease, line, outboxId, effects.outbox, this.#goldenOf(held, effects));
  }

  async #write(transaction: SyncTransaction, arrivals: readonly Arrival[], lookUpAll: boolean): Promise<Committed | undefined> {
    if (arrivals.length === 0) return undefined;
    const records = arrivals.map((arrival) => arrival.record);
    const heads = await transaction.headsOf([...new Set(records.map((record) => record.entityId))]);
    const sharedIds = sharedEntities(records, heads);
    const shared = sharedIds.length === 0 ? [] : await transaction.statesOf(sharedIds);
    const suspects = lookUpAll ? records.map((record) => record.eventId) : maybeKnown(records, heads);
    const known = suspects.length === 0 ? new Set<never>() : await transaction.knownEvents(suspects);
    const effects = decide({ arrivals, heads, shared, known, resolver: this.#deps.resolver });
    return { effects, outboxId: await transaction.write(effects) };
  }

  #goldenOf(held: Held, effects: BatchEffects): GoldenRecord[] {
    const updatedAt = new Date(this.#deps.clock.nowMs()).toISOString();
    return effects.states
      .filter((row) => row.sourceType === goldenSourceType)
      .map((row) => ({
        entityId: row.entityId,
        kind: row.kind,
        version: { epoch: held.epoch, n: row.version },
        deleted: row.deleted,
        data: row.data,
        eventId: row.eventId,
        updatedAt,
      }));
  }

  #tell(arrivals: readonly Arrival[], effects: BatchEffects): void {
    const { telemetry, clock } = this.#deps;
    const nowMs = clock.nowMs();
    const bySource = new Map<string, number>();
    for (const { record } of arrivals) bySource.set(record.source, (bySource.get(record.source) ?? 0) + 1);
    for (const [source, records] of bySource) telemetry.recordsIn({ stage: 'sync-manager', source, records });
    const source = arrivals[0]!.record.source;
    for (const { outcome, count } of effects.counts)
      telemetry.recordsOut({ stage: 'sync-manager', source, outcome, records: count });
    for (const letter of effects.outbox.deadLetters) {
      telemetry.deadLettered({
        stage: 'sync-manager',
        source: letter.source,
        code: letter.code,
        reason: letter.reason,
        correlationId: letter.correlationId,
        key: letter.key,
      });
    }
    const step = Math.max(1, Math.floor(arrivals.length / latencySamplesMax));
    for (let index = 0; index < arrivals.length; index += step) {
      const { record } = arrivals[index]!;
      telemetry.latencyObserved({ source: record.source, latencyMs: nowMs - record.receivedAtMs });
    }
  }
}

function settledAfter(lease: SyncLease, arrivals: readonly PlacedArrival[]): Record<string, number> {
  const through = { ...lease.settledThrough };
  for (const { arrival } of arrivals) through[originId(arrival.record.origin)] = arrival.record.origin.offset;
  return through;
}

function originId(origin: Origin): string {
  return `${origin.topic}/${origin.partition}`;
}

function heldId(ref: { topic: string; partition: number }): string {
  return `${ref.topic}/${ref.partition}`;
}
