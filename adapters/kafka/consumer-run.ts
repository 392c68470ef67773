import type { Batch, Consumer, EachBatchPayload } from 'kafkajs';
import { isSyncError, SyncError } from '../../core/errors.ts';
import type { BatchVerdict, LogBatch, PartitionRef } from '../../core/ports/event-log.ts';
import { backoffMs } from './backoff.ts';
import { slicesOf } from './batch-slices.ts';
import { GroupOffsets } from './group-offsets.ts';
import { kafkaClient } from './kafkajs-client.ts';
import { logEnds } from './offsets.ts';
import { Rounds } from './rounds.ts';
import type { SubscriptionContext } from './subscription.ts';

export interface RunEnd {
  /** A SyncError ends the subscription, anything else only this run; undefined after a stop. */
  readonly error: unknown;
  readonly joined: boolean;
}

const sessionTimeoutMs = 8_000;
const heartbeatIntervalMs = 2_000;
const beatIntervalMs = 1_000;
const rebalanceTimeoutMs = 30_000;
/** How long an idle fetch waits, and with it a stop or the end of a pause. */
const fetchWaitMs = 250;
const fetchBytesMax = 16 * 1024 * 1024;
/** Of records as the log holds them: compressed ones take several times as much when they arrive. */
const fetchBytesPerRecord = 600;
const fetchBytesPerPartitionMin = 128 * 1024;
const fetchBytesPerPartitionMax = 1024 * 1024;
const silenceUnavailableMs = 6_000;
/** Above the longest legitimate silence: a join waits until every member has finished its batch in hand. */
const silenceStuckMs = 60_000;
const stopGraceMs = 10_000;
const leaveTimeoutMs = 5_000;
const retryFirstMs = 250;
const retryMaxMs = 10_000;

/** What a heartbeat answers to a member that is one no more. */
const membershipErrors: ReadonlySet<unknown> = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID']);

/** The life of one client in the group, from connecting until it leaves or breaks. It never comes back. */
export class ConsumerRun {
  readonly ended: Promise<RunEnd>;
  readonly #end: (end: RunEnd) => void;
  readonly #context: SubscriptionContext;
  readonly #consumer: Consumer;
  readonly #inHand = new Map<Promise<void>, EachBatchPayload>();
  /** The offset each partition was asked for last, in this generation. */
  readonly #asked = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  readonly #pauses = new Map<string, NodeJS.Timeout>();
  readonly #groupOffsets = new GroupOffsets();
  readonly #rounds = new Rounds();
  #generation = 0;
  #membership = new AbortController();
  /** Set when the group wants a rejoin: the piece in hand is finished, no further one is begun. */
  #rejoin: unknown;
  #lastAnswerMs = Date.now();
  #lastBeatMs = Date.now();
  #beat: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(context: SubscriptionContext) {
    const { promise, resolve } = Promise.withResolvers<RunEnd>();
    this.ended = promise;
    this.#end = resolve;
    this.#context = context;
    const wishedBytes = context.options.batchRecordsMax * fetchBytesPerRecord;
    this.#consumer = kafkaClient(context.connection).consumer({
      groupId: context.options.groupId,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: heartbeatIntervalMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      minBytes: 1,
      maxWaitTimeInMs: fetchWaitMs,
      maxBytes: fetchBytesMax,
      maxBytesPerPartition: Math.min(fetchBytesPerPartitionMax, Math.max(fetchBytesPerPartitionMin, wishedBytes)),
      allowAutoTopicCreation: false,
      // Restarting is the subscription's: a fresh client has no state that could be stuck.
      retry: { restartOnFailure: async () => false },
    });
  }

  start(): void {
    const { events } = this.#consumer;
    this.#consumer.on(events.REQUEST, () => this.#answered());
    this.#consumer.on(events.GROUP_JOIN, () => this.#joined());
    this.#consumer.on(events.CRASH, ({ payload }) => this.#break(payload.error));
    this.#beat = setInterval(() => this.#onBeat(), beatIntervalMs);
    this.#consume().catch((error: unknown) => this.#break(error));
  }

  async stop(): Promise<void> {
    const grace = setTimeout(() => this.#membership.abort(), stopGraceMs);
    await this.#close(undefined);
    clearTimeout(grace);
  }

  async #consume(): Promise<void> {
    const { topics, concurrency } = this.#context.options;
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: concurrency,
      eachBatch: (payload) => this.#receive(payload),
    });
  }

  #answered(): void {
    this.#lastAnswerMs = Date.now();
    this.#context.available(true);
  }

  /** Called before anything of the new generation is fetched. */
  #joined(): void {
    this.#generation++;
    this.#membership.abort();
    this.#membership = new AbortController();
    this.#rejoin = undefined;
    this.#asked.clear();
    this.#failures.clear();
    this.#groupOffsets.clear();
    for (const [key, timer] of this.#pauses) {
      clearTimeout(timer);
      this.#consumer.resume([partitionsOf(key)]);
    }
    this.#pauses.clear();
    this.#context.worker.reassigned();
  }

  async #receive(payload: EachBatchPayload): Promise<void> {
    if (this.#closing !== undefined) return;
    if (this.#rejoin !== undefined) throw this.#rejoin;
    const delivery = this.#deliver(payload);
    this.#inHand.set(delivery, payload);
    try {
      await delivery;
    } finally {
      this.#inHand.delete(delivery);
      // The client leaves the group when this returns, and only members may commit.
      if (this.#closing !== undefined && this.#inHand.size === 0) await this.#groupOffsets.commit();
    }
    if (this.#rejoin !== undefined) throw this.#rejoin;
  }

  async #deliver(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const generation = this.#generation;
    const { signal } = this.#membership;
    this.#groupOffsets.through(payload.commitOffsetsIfNecessary);
    const isOurs = () => generation === this.#generation && this.#rejoin === undefined && this.#closing === undefined;
    const key = keyOf(batch);
    let offset = fetchedOffsetOf(batch);
    try {
      offset = await this.#withoutHole(batch, offset);
      for (const slice of slicesOf(batch, offset, this.#context.options.batchRecordsMax)) {
        await this.#rounds.next(slice.records.length);
        if (!isOurs()) return;
        offset = slice.fetchedOffset;
        const verdict = await this.#context.worker.handle(slice, signal);
        // The generation this batch came from is over: whoever owns the partition now decides where it goes on.
        if (generation !== this.#generation) return;
        if (!(await this.#obey(payload, slice, verdict))) return;
        this.#failures.delete(key);
      }
    } catch (error) {
      if (isSyncError(error) && error.code === 'kafka.log-truncated') this.#break(error);
      else if (generation === this.#generation && this.#closing === undefined) this.#backOff(batch, offset, error);
    }
  }

  /** True when the next piece is the one to go on with. */
  async #obey(payload: EachBatchPayload, slice: LogBatch, verdict: BatchVerdict): Promise<boolean> {
    const goesOn = verdict.kind === 'advance' && verdict.nextOffset === slice.nextOffset;
    if (!goesOn) {
      await this.#seek(slice, verdict.kind === 'advance' ? verdict.nextOffset : verdict.offset);
      return false;
    }
    payload.resolveOffset(String(slice.nextOffset - 1));
    this.#asked.set(keyOf(slice), slice.nextOffset);
    this.#groupOffsets.reached(slice, slice.nextOffset);
    return true;
  }

  /**
   * The client skips markers of transactions without a word. Where it was asked for an offset and answers from a
   * later one although the log begins before, there is nothing in between and the batch covers the hole.
   */
  async #withoutHole(ref: PartitionRef, fetchedOffset: number): Promise<number> {
    const asked = this.#asked.get(keyOf(ref));
    if (asked === undefined || fetchedOffset <= asked) return fetchedOffset;
    const { start } = await this.#endsOf(ref);
    return start <= asked ? asked : fetchedOffset;
  }

  /** Beyond either end of the log the client would jump somewhere by itself, which is how records get lost. */
  async #seek(ref: PartitionRef, offset: number): Promise<void> {
    const { topic, partition } = ref;
    const { start, end } = await this.#endsOf(ref);
    if (offset < start || offset > end) {
      throw new SyncError(
        'kafka.log-truncated',
        `Partition ${partition} of ${topic} holds offsets ${start} to ${end}, but work goes on at ${offset}`,
        { details: { topic, partition, start, end, wanted: offset } },
      );
    }
    this.#consumer.seek({ topic, partition, offset: String(offset) });
    this.#asked.set(keyOf(ref), offset);
  }

  async #endsOf({ topic, partition }: PartitionRef): Promise<{ start: number; end: number }> {
    const all = await logEnds(this.#context.connection, [topic]);
    return all.find((ends) => ends.partition === partition) ?? { start: 0, end: 0 };
  }

  /** The partition waits and is delivered again from the same offset; the others go on. */
  #backOff(ref: PartitionRef, offset: number, error: unknown): void {
    const { topic, partition } = ref;
    const key = keyOf(ref);
    const attempt = (this.#failures.get(key) ?? 0) + 1;
    const retryInMs = backoffMs(attempt, retryFirstMs, retryMaxMs);
    this.#failures.set(key, attempt);
    this.#consumer.pause([{ topic, partitions: [partition] }]);
    this.#consumer.seek({ topic, partition, offset: String(offset) });
    this.#asked.set(key, offset);
    const resume = () => {
      this.#pauses.delete(key);
      if (this.#closing === undefined) this.#consumer.resume([{ topic, partitions: [partition] }]);
    };
    this.#pauses.set(key, setTimeout(resume, retryInMs));
    const { telemetry, stage } = this.#context;
    telemetry?.batchFailed({ topic, partition, stage, error, retryInMs });
  }

  #onBeat(): void {
    const nowMs = Date.now();
    // Whoever slept, sleeping process or busy loop, heard nothing because it did not listen.
    if (nowMs - this.#lastBeatMs > 3 * beatIntervalMs) this.#lastAnswerMs = nowMs;
    this.#lastBeatMs = nowMs;
    const silenceMs = nowMs - this.#lastAnswerMs;
    if (silenceMs > silenceUnavailableMs) this.#context.available(false);
    if (silenceMs > silenceStuckMs) this.#break(new Error(`no answer for ${silenceMs} ms`));
    // A batch that takes long must not cost the membership; the client itself beats only between batches.
    for (const payload of this.#inHand.values()) {
      payload.heartbeat().catch((error: unknown) => this.#onBeatRefused(error));
      break;
    }
    void this.#groupOffsets.commitIfDue(nowMs);
  }

  #onBeatRefused(error: unknown): void {
    const type = (error as { type?: unknown }).type;
    if (type === 'REBALANCE_IN_PROGRESS') this.#rejoin ??= error;
    if (membershipErrors.has(type)) {
      this.#rejoin ??= error;
      this.#membership.abort();
    }
  }

  #break(error: unknown): void {
    this.#membership.abort();
    void this.#close(error);
  }

  /** Finishes what is in hand, leaves the group and ends the run. A Kafka that does not answer is not waited for. */
  #close(error: unknown): Promise<void> {
    this.#closing ??= this.#closeOnce(error);
    return this.#closing;
  }

  async #closeOnce(error: unknown): Promise<void> {
    for (const timer of this.#pauses.values()) clearTimeout(timer);
    // Nothing may run before `#closing` is set, or a batch could slip in.
    await undefined;
    if (this.#inHand.size === 0) await this.#groupOffsets.commit();
    const left = this.#consumer.disconnect().catch(() => undefined);
    await Promise.allSettled(this.#inHand.keys());
    const { promise: waited, resolve: giveUp } = Promise.withResolvers<void>();
    const timer = setTimeout(giveUp, leaveTimeoutMs);
    await Promise.race([left, waited]);
    clearTimeout(timer);
    clearInterval(this.#beat);
    this.#membership.abort();
    this.#end({ error, joined: this.#generation > 0 });
  }
}

/** Where the client fetched from; its types do not tell. */
function fetchedOffsetOf(batch: Batch): number {
  return Number((batch as Batch & { fetchedOffset: string }).fetchedOffset);
}

function keyOf({ topic, partition }: PartitionRef): string {
  return `${topic}/${partition}`;
}

function partitionsOf(key: string): { topic: string; partitions: number[] } {
  const at = key.lastIndexOf('/');
  return { topic: key.slice(0, at), partitions: [Number(key.slice(at + 1))] };
}
