import type { ChangeEvent } from '../core/change-event.ts';
import { type DeadLetter, type DeadLetterTopic, deadLetterMessages } from '../core/dead-letter.ts';
import type { EntityPlan } from '../core/entity-plan.ts';
import { SyncError } from '../core/errors.ts';
import { partitionOf } from '../core/partition.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { BatchVerdict, LogBatch, LogProducer, LogRecord, PartitionWorker } from '../core/ports/event-log.ts';
import type { IdentityStore } from '../core/ports/identity-store.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import type { ProcessorLease, RangeOutcome, StageLedger } from '../core/ports/stage-ledger.ts';
import type { CacheEntry, CacheWrite, StateCache } from '../core/ports/state-cache.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import { ProducerPool } from '../core/producer-pool.ts';
import { refusedChange } from '../core/refused-change.ts';
import { CacheSession } from './cache-session.ts';
import { type CanonicalLine, encodeForward } from './canonical-messages.ts';
import { type Announcement, type DiffVerdicts, diff, forgottenEntry, unsettledMatches } from './diff.ts';
import { type IdentifiedRecord, identify } from './identify.ts';
import { type DeadRecord, normalise } from './normalise.ts';
import { glimpseOf, takeRepeats } from './repeats.ts';

/** One raw topic as the worker sees it. */
export interface ProcessorLine extends CanonicalLine {
  readonly rawCodec: RecordCodec<ChangeEvent>;
}

export interface ProcessorDeps {
  /** By raw topic. */
  readonly lines: ReadonlyMap<string, ProcessorLine>;
  /** As many as partitions are worked on at once: a producer has one send in flight. */
  readonly producers: readonly LogProducer[];
  readonly ledger: StageLedger;
  readonly cache: StateCache;
  readonly identityStore: IdentityStore;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly deadLetters: DeadLetterTopic;
  readonly claimAheadRecords: number;
}

/**
 * What is announced passes the filter whole after a restart: a busy partition announces far ahead, so that it seldom has
 * to, and a quiet one only as far as it gets within a while.
 */
const claimAheadBatches = 20;

interface Held {
  lease: ProcessorLease;
  readonly announced: Announcement;
  readonly session: CacheSession;
}

/**
 * Raw topic -> canonical topic. For each batch: read the cached states in one round trip, stop what is certainly
 * unchanged, send the rest and wait for the acknowledgement, then write the new states, then settle the offsets.
 */
export class ProcessorWorker implements PartitionWorker {
  readonly #deps: ProcessorDeps;
  readonly #held = new Map<string, Held>();
  readonly #producers: ProducerPool;

  constructor(deps: ProcessorDeps) {
    this.#deps = deps;
    this.#producers = new ProducerPool(deps.producers);
  }

  reassigned(): void {
    this.#held.clear();
  }

  async handle(batch: LogBatch): Promise<BatchVerdict> {
    const startedMs = this.#deps.clock.nowMs();
    const line = this.#deps.lines.get(batch.topic);
    if (line === undefined) throw new Error(`no plan for topic ${batch.topic}`);
    const held = await this.#hold(batch, line.plan);
    if (batch.fetchedOffset !== held.lease.nextOffset) return { kind: 'seek', offset: held.lease.nextOffset };
    try {
      const verdicts = await this.#process(held, line, batch);
      this.#tell(line.plan, batch, verdicts, startedMs);
    } catch (error) {
      // Whatever this partition holds may be out of date now: it is acquired anew before the batch is tried again.
      this.#release(batch);
      throw error;
    }
    return { kind: 'advance', nextOffset: batch.nextOffset };
  }

  async #process(held: Held, line: ProcessorLine, batch: LogBatch): Promise<Judged> {
    const { plan, rawCodec } = line;
    const nowMs = this.#deps.clock.nowMs();
    await rawCodec.prepare?.(valuesOf(batch));
    const glimpses = batch.records.map((record) => glimpseOf(rawCodec, record));
    const cached = await this.#cachedStates(held, batch.records);
    const { rest, repeats } = takeRepeats(plan, glimpses, cached, held.announced);
    const normalised = rest.map((glimpse) => normalise(plan, batch.partition, rawCodec, glimpse, nowMs));
    const records = await identify(plan, batch.partition, normalised, this.#deps.identityStore, nowMs);
    const confirmed = await this.#confirm(line, batch, records, cached);
    const verdicts = withRepeats(diff({ plan, records, cached, announced: held.announced, confirmed }), repeats);

    // Invariant 2: produced and acknowledged, then the states, then the offsets. Any other order loses a change in a crash.
    await this.#announce(held, batch, verdicts);
    const { messages, rejected } = encodeForward(line, batch, verdicts.forward, nowMs);
    const dead = [...records.filter((record) => record.kind === 'dead'), ...rejected];
    const letters = dead.map((record) => record.letter);
    const refused = dead.map(({ letter, position }) => refusedChange(letter, position));
    await this.#producers.send([...messages, ...deadLetterMessages(letters, this.#deps.deadLetters)]);
    await held.session.write(held.lease, [...verdicts.writes, ...rejected.map(forgetting)]);
    const filtered = records.filter((record) => record.kind === 'forget').length;
    const stopped = { unchanged: verdicts.unchanged.length, filtered, 'dead-lettered': letters.length };
    await this.#settle(held, batch.nextOffset, { forwarded: messages.length, stopped, refused });
    return {
      forwarded: messages.length,
      unchanged: verdicts.unchanged.length,
      letters,
      hits: verdicts.hits,
      misses: verdicts.misses,
    };
  }

  async #hold(batch: LogBatch, plan: EntityPlan): Promise<Held> {
    const id = heldId(batch);
    const known = this.#held.get(id);
    if (known) return known;
    const lease = await this.#deps.ledger.acquire(batch, plan.configId);
    const session = await CacheSession.open(lease, this.#deps);
    const announced = { through: lease.claimedThrough, stopped: new Set(lease.stoppedAhead) };
    const held: Held = { lease, announced, session };
    this.#held.set(id, held);
    this.#deps.telemetry.partitionAcquired({
      stage: 'processor',
      topic: batch.topic,
      partition: batch.partition,
      token: lease.token,
      nextOffset: lease.nextOffset,
    });
    return held;
  }

  /**
   * Invariant 6: what is about to be sent, and what not, is announced first. Who comes after us does the same with the
   * announced range, so that no record has two outcomes.
   */
  async #announce(held: Held, batch: LogBatch, { forward, unchanged }: DiffVerdicts): Promise<void> {
    if (forward.length === 0) return;
    const fresh = unchanged.filter((offset) => offset >= held.announced.through);
    const beyond = batch.nextOffset > held.lease.claimedThrough;
    if (!beyond && fresh.length === 0) return;
    const ahead = Math.min(this.#deps.claimAheadRecords, batch.records.length * claimAheadBatches);
    const through = beyond ? batch.nextOffset + ahead : held.lease.claimedThrough;
    held.lease = owned(await this.#deps.ledger.claim(held.lease, through, fresh), held.lease);
  }

  /** By message key, which is the key of the event in it: whatever differs there is a dead letter. */
  async #cachedStates(held: Held, records: readonly LogRecord[]): Promise<ReadonlyMap<string, CacheEntry>> {
    const distinct = new Set<string>();
    for (const { key } of records) if (key !== null) distinct.add(key);
    const keys = [...distinct];
    const entries = await held.session.read(held.lease, keys);
    const cached = new Map<string, CacheEntry>();
    entries.forEach((entry, index) => {
      if (entry) cached.set(keys[index]!, entry);
    });
    return cached;
  }

  async #confirm(
    line: ProcessorLine,
    batch: LogBatch,
    records: readonly IdentifiedRecord[],
    cached: ReadonlyMap<string, CacheEntry>,
  ): Promise<ReadonlySet<string>> {
    const { plan, canonicalPartitions } = line;
    const candidates = unsettledMatches(plan, records, cached);
    if (candidates.length === 0) return new Set();
    const claims = candidates.map(({ entityId, event }) => {
      const { position, offset } = cached.get(event.key)!;
      const canonical = { topic: plan.canonicalTopic, partition: partitionOf(entityId, canonicalPartitions) };
      return { entityId, canonical, key: event.key, position, offset };
    });
    const proved = await this.#deps.ledger.proves(batch, plan.sourceType, claims);
    return new Set(candidates.filter((_, index) => proved[index]).map((candidate) => candidate.event.key));
  }

  async #settle(held: Held, through: number, outcome: RangeOutcome): Promise<void> {
    held.lease = owned(await held.session.recordBrokenEra(held.lease), held.lease);
    held.lease = owned(await this.#deps.ledger.settle(held.lease, through, outcome), held.lease);
  }

  #release(batch: LogBatch): void {
    if (this.#held.delete(heldId(batch)))
      this.#deps.telemetry.partitionLost({ stage: 'processor', topic: batch.topic, partition: batch.partition });
  }

  #tell(plan: EntityPlan, batch: LogBatch, judged: Judged, startedMs: number): void {
    const { telemetry, clock } = this.#deps;
    const { source } = plan;
    telemetry.recordsIn({ stage: 'processor', source, records: batch.records.length });
    telemetry.recordsOut({ stage: 'processor', source, outcome: 'forwarded', records: judged.forwarded });
    telemetry.recordsOut({ stage: 'processor', source, outcome: 'unchanged', records: judged.unchanged });
    telemetry.cacheRead({ hits: judged.hits, misses: judged.misses });
    for (const letter of judged.letters) {
      telemetry.deadLettered({
        stage: 'processor',
        source,
        code: letter.code,
        reason: letter.reason,
        correlationId: letter.correlationId,
        key: letter.key,
      });
    }
    telemetry.batchFinished({
      stage: 'processor',
      topic: batch.topic,
      partition: batch.partition,
      records: batch.records.length,
      durationMs: clock.nowMs() - startedMs,
      lag: batch.highWatermark - batch.nextOffset,
    });
  }
}

interface Judged {
  readonly forwarded: number;
  readonly unchanged: number;
  readonly letters: readonly DeadLetter[];
  readonly hits: number;
  readonly misses: number;
}

function withRepeats(verdicts: DiffVerdicts, repeats: readonly number[]): DiffVerdicts {
  return { ...verdicts, unchanged: [...repeats, ...verdicts.unchanged], hits: verdicts.hits + repeats.length };
}

function forgetting({ letter, key }: DeadRecord): CacheWrite {
  return forgottenEntry(key ?? '', letter.origin.offset);
}

function owned(lease: ProcessorLease | null, before: ProcessorLease): ProcessorLease {
  if (lease) return lease;
  throw new SyncError('lease.lost', `${before.topic}/${before.partition} belongs to another process now`);
}

function valuesOf(batch: LogBatch): Buffer[] {
  return batch.records.flatMap((record) => (record.value === null ? [] : [record.value]));
}

function heldId(ref: { topic: string; partition: number }): string {
  return `${ref.topic}/${ref.partition}`;
}
