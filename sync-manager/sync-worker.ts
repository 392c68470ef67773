import {
  type CanonicalRecord,
  canonicalControls,
  canonicalHeaders,
  type EntityId,
  type GoldenRecord,
  goldenSourceType,
  type Origin,
  rawHeaders,
} from '../core/change-event.ts';
import { decodeAcknowledgement } from '../core/codec/acknowledgement-message.ts';
import type { ConflictPolicy } from '../core/conflict/policy.ts';
import { deadLetterOf } from '../core/dead-letter.ts';
import type { DifferencePair } from '../core/differences/difference-pair.ts';
import { SyncError } from '../core/errors.ts';
import type { LeaveMessage } from '../core/identity/move.ts';
import { decodeLeave } from '../core/identity/move-message.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { BatchVerdict, LogBatch, LogRecord, PartitionRef, PartitionWorker } from '../core/ports/event-log.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import {
  type BatchEffects,
  BatchRejected,
  EventsKnown,
  type SyncLease,
  type SyncStore,
  type Written,
} from '../core/ports/sync-store.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import {
  type Arrival,
  type ArrivedLeave,
  eventIdsOf,
  isWord,
  maybeKnown,
  recordsOf,
  sharedEntities,
  subjectOf,
} from './arrival.ts';
import type { WrittenSources } from './batch-write-backs.ts';
import { decide } from './decide.ts';
import type { Publisher, PublishLine } from './publisher.ts';

/** One canonical topic as the worker sees it. */
export interface SyncLine extends PublishLine {
  readonly kind: string;
  readonly canonicalCodec: RecordCodec<CanonicalRecord>;
  readonly policy: ConflictPolicy;
  /** Whether several sources speak of this kind. */
  readonly isShared: boolean;
  readonly written: WrittenSources;
  readonly pairs: readonly DifferencePair[];
}

export interface SyncWorkerDeps {
  /** By canonical topic. */
  readonly lines: ReadonlyMap<string, SyncLine>;
  readonly store: SyncStore;
  readonly publisher: Publisher;
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
      const arrival = this.#decode(line, batch, message);
      if (arrival === null) continue;
      if (!isWord(arrival)) {
        const { origin } = arrival.record;
        const id = originId(origin);
        if (origin.offset <= (through.get(id) ?? -1)) continue;
        through.set(id, origin.offset);
      }
      arrivals.push({ offset: message.offset, arrival });
    }
    return arrivals;
  }

  /** Null for what only a stranger can have written here: it has no raw record to account for. */
  #decode(line: SyncLine, batch: LogBatch, message: LogRecord): Exclude<Arrival, { kind: 'dead' }> | null {
    try {
      if (message.value === null) throw new SyncError('record.malformed', 'the message has no value');
      switch (message.headers[rawHeaders.control]) {
        case canonicalControls.acknowledged:
          return { kind: 'acknowledgement', ...decodeAcknowledgement(message.value) };
        case canonicalControls.leave:
          return this.#leaveOf(line, decodeLeave(message.value));
        case canonicalControls.remerge:
          return { kind: 'remerge', entityId: (message.key ?? '') as EntityId, entityKind: line.kind };
      }
      const record = line.canonicalCodec.decode(message.value);
      const tenure = message.headers[canonicalHeaders.tenure];
      return { kind: 'record', record: tenure === undefined ? record : { ...record, tenure: Number(tenure) } };
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
      const arrival = this.#withoutFault(line, only.arrival, error);
      return [{ arrivals: [{ offset: only.offset, arrival }], through }];
    }
    const middle = arrivals.length >> 1;
    const second = arrivals.slice(middle);
    return [
      { arrivals: arrivals.slice(0, middle), through: second[0]!.offset },
      { arrivals: second, through },
    ];
  }

  #withoutFault(line: SyncLine, arrival: Arrival, error: BatchRejected): Arrival {
    const refused = new SyncError('store.rejected', error.message, { cause: error });
    if (arrival.kind === 'record')
      return { kind: 'dead', record: arrival.record, letter: this.#letter(line, arrival.record, refused) };
    if (arrival.kind !== 'leave' || arrival.letter !== undefined) throw error;
    return { ...arrival, letter: this.#letter(line, arrival.record, refused) };
  }

  #leaveOf(line: SyncLine, { record, leave }: LeaveMessage): ArrivedLeave {
    if (leave.refused === undefined) return { kind: 'leave', record, leave };
    const { code, reason, details } = leave.refused;
    return { kind: 'leave', record, leave, letter: this.#letter(line, record, new SyncError(code, reason, { details })) };
  }

  #letter({ kind }: SyncLine, { origin, source, key, eventId, correlationId, replayOf }: CanonicalRecord, error: SyncError) {
    const subject = { origin, stage: 'sync-manager', source, kind, key, eventId, correlationId, body: null, replayOf } as const;
    return deadLetterOf(subject, error, this.#deps.clock.nowMs());
  }

  async #commit(held: Held, line: SyncLine, stretch: Stretch): Promise<void> {
    const reach = { through: stretch.through, settledThrough: settledAfter(held.lease, stretch.arrivals) };
    const arrivals = stretch.arrivals.map((placed) => placed.arrival);
    const attempt = async (lookUpAll: boolean): Promise<{ effects: BatchEffects; written: Written | null }> => {
      const effects = await this.#decide(line, arrivals, lookUpAll);
      return { effects, written: await this.#deps.store.write(held.lease, reach, effects) };
    };
    const { effects, written } = await attempt(false).catch((error: unknown) => {
      if (error instanceof EventsKnown) return attempt(true);
      throw error;
    });
    if (written === null)
      throw new SyncError('lease.lost', `${held.lease.topic}/${held.lease.partition} belongs to another process now`);
    const { lease, outboxId } = written;
    held.lease = lease;
    this.#tell(recordsOf(arrivals), effects);
    if (outboxId !== null)
      await this.#deps.publisher.publish(lease, line, outboxId, effects.outbox, this.#goldenOf(held, effects));
  }

  async #decide(line: SyncLine, arrivals: readonly Arrival[], lookUpAll: boolean): Promise<BatchEffects> {
    const { store } = this.#deps;
    const { policy, isShared, written, pairs } = line;
    const entityIds = [...new Set(arrivals.map((arrival) => subjectOf(arrival).entityId))];
    const heads = isShared || entityIds.length === 0 ? [] : await store.headsOf(entityIds);
    const sharedIds = isShared ? entityIds : sharedEntities(arrivals, heads);
    const shared = sharedIds.length === 0 ? [] : await store.statesOf(sharedIds);
    const suspects = lookUpAll ? eventIdsOf(arrivals) : maybeKnown(arrivals, isShared ? shared : heads);
    const known = suspects.length === 0 ? new Set<never>() : await store.knownEvents(suspects);
    const writeBacks = await this.#writeBacksOf(written, new Set(sharedIds), arrivals);
    return decide({ arrivals, heads, shared, known, writeBacks, policy, isShared, written, pairs });
  }

  /** Of records that a system tells of and that we write to. */
  async #writeBacksOf(written: WrittenSources, shared: ReadonlySet<EntityId>, arrivals: readonly Arrival[]) {
    const subjects = arrivals
      .map(subjectOf)
      .filter(({ entityId, sourceType }) => shared.has(entityId) && written.has(sourceType));
    if (subjects.length === 0) return [];
    const targets = new Set(subjects.map(({ sourceType }) => written.get(sourceType)!));
    return this.#deps.store.writeBacksOf([...targets], [...new Set(subjects.map(({ entityId }) => entityId))]);
  }

  #goldenOf(held: Held, effects: BatchEffects): GoldenRecord[] {
    const updatedAt = new Date(this.#deps.clock.nowMs()).toISOString();
    const resolved = new Set(effects.outbox.resolved);
    return effects.states
      .filter((row) => row.sourceType === goldenSourceType && resolved.has(row.entityId))
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

  #tell(records: readonly CanonicalRecord[], effects: BatchEffects): void {
    const { telemetry, clock } = this.#deps;
    const nowMs = clock.nowMs();
    const bySource = new Map<string, number>();
    for (const { source } of records) bySource.set(source, (bySource.get(source) ?? 0) + 1);
    for (const [source, count] of bySource) telemetry.recordsIn({ stage: 'sync-manager', source, records: count });
    const source = records[0]?.source;
    if (source === undefined) return;
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
    const step = Math.max(1, Math.floor(records.length / latencySamplesMax));
    for (let index = 0; index < records.length; index += step) {
      const record = records[index]!;
      telemetry.latencyObserved({ source: record.source, latencyMs: nowMs - record.receivedAtMs });
    }
  }
}

function settledAfter(lease: SyncLease, arrivals: readonly PlacedArrival[]): Record<string, number> {
  const through = { ...lease.settledThrough };
  for (const { origin } of recordsOf(arrivals.map(({ arrival }) => arrival))) through[originId(origin)] = origin.offset;
  return through;
}

function originId(origin: Origin): string {
  return `${origin.topic}/${origin.partition}`;
}

function heldId(ref: { topic: string; partition: number }): string {
  return `${ref.topic}/${ref.partition}`;
}
