import { MemoryClock } from '../adapters/memory/clock.ts';
import { MemoryProducer } from '../adapters/memory/event-log.ts';
import { LogStore } from '../adapters/memory/log-store.ts';
import { MemoryTarget, type MemoryTargetHabits } from '../adapters/memory/memory-target.ts';
import type { Pace } from '../adapters/memory/pace.ts';
import { MemoryTargetStore, TargetRows, writeBackOf } from '../adapters/memory/target-store.ts';
import { compileTargetPlan, type TargetPlan } from '../connectors/target-plan.ts';
import { TargetWorker } from '../connectors/target-worker.ts';
import { checksumOf } from '../core/canonical/canonical.ts';
import { type CanonicalRecord, type EntityId, goldenSourceType } from '../core/change-event.ts';
import { CircuitBreaker } from '../core/circuit-breaker.ts';
import { decodeAcknowledgement } from '../core/codec/acknowledgement-message.ts';
import { type ConflictRules, conflictRulesSchema } from '../core/config/conflict-policy.ts';
import { type ConflictPolicy, compileConflictPolicy, countersOf } from '../core/conflict/policy.ts';
import { compileEntityPlan } from '../core/entity-plan.ts';
import { eventIdOf } from '../core/event-id.ts';
import type { JsonObject } from '../core/json.ts';
import type { LogBatch, LogRecord, PartitionRef } from '../core/ports/event-log.ts';
import type { StateRow } from '../core/ports/sync-store.ts';
import type { TargetConnector, TargetRow } from '../core/ports/target-connector.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import { orderOf, type Position, positionOf } from '../core/position.ts';
import { ProducerPool } from '../core/producer-pool.ts';
import { topicNames } from '../core/topics.ts';
import { type Arrival, subjectOf } from '../sync-manager/arrival.ts';
import { decide } from '../sync-manager/decide.ts';

export interface TargetWorldOptions {
  /**
   * Whether CRM is a source as well, and how its own changes come here: it sends what its users do, its log is read, or it
   * tells from time to time how its records stand.
   */
  readonly crm: 'target-only' | 'pushes' | 'is-read' | 'is-polled';
  readonly rules?: Partial<ConflictRules>;
  readonly habits?: MemoryTargetHabits;
  readonly onForeignChange?: 'overwrite' | 'keep';
  readonly guard?: Partial<ConstructorParameters<typeof TargetWorker>[0]['guard']>;
  readonly pace?: Pace;
  readonly connector?: (target: MemoryTarget) => TargetConnector;
}

export const kind = 'product';
const topics = topicNames();
/** Habits of a system that keeps names in capitals. */
export const capitals: MemoryTargetHabits = {
  normalise: (row) => ({ ...row, label: String(row.label).toUpperCase() }),
};
const silent = new Proxy({}, { get: () => () => undefined }) as Telemetry;
const ref = (topic: string): PartitionRef => ({ topic, partition: 0 });

/**
 * One process of the target side, the system CRM it writes to, and a sync manager that takes one message at a time: the real
 * decision on rows in memory. CRM calls `name` `label`.
 */
export class TargetWorld {
  readonly clock = new MemoryClock();
  readonly log = new LogStore(() => this.clock.nowMs());
  readonly rows = new TargetRows();
  readonly target: MemoryTarget;
  readonly plan: TargetPlan;
  worker: TargetWorker;
  /** Write-backs that the sync manager took into account, by their acknowledgement or by their echo. */
  heardWriteBacks = 0;
  readonly #options: TargetWorldOptions;
  readonly #policy: ConflictPolicy;
  readonly #states = new Map<EntityId, Map<string, StateRow>>();
  readonly #read = new Map<string, number>();
  /** Changes at CRM that its change log has and we have not read. */
  readonly #crmLog: { key: string; row: TargetRow | null; isNews: boolean }[] = [];
  readonly #told = new Map<string, string>();
  #position = 0;

  constructor(options: TargetWorldOptions) {
    this.#options = options;
    this.target = new MemoryTarget('sku', options.habits);
    for (const topic of [topics.resolved(kind), topics.canonical(kind), topics.raw('crm', kind)]) this.log.createTopic(topic, 1);
    const sources = [
      { name: 'shop', type: 'SHOP' },
      { name: 'crm', type: 'CRM' },
    ];
    const rules = conflictRulesSchema.parse({ default: 'newest_wins', ...options.rules });
    this.#policy = compileConflictPolicy(kind, rules, options.crm === 'target-only' ? sources.slice(0, 1) : sources);
    this.plan = this.#compilePlan();
    this.worker = this.newWorker();
  }

  #compilePlan(): TargetPlan {
    const { crm, onForeignChange = 'overwrite' } = this.#options;
    const declaration = {
      source: 'crm',
      sourceType: 'CRM',
      kind,
      mapping: { keep: 'mapped', fields: { name: 'label', stock: 'stock' } },
    };
    const counters = countersOf(this.#policy);
    const codec = { encode: (event: unknown) => JSON.stringify(event), decode: (bytes: Buffer) => JSON.parse(bytes.toString()) };
    const back = { topic: topics.raw('crm', kind), partitions: 1, codec };
    return compileTargetPlan({
      targetType: 'CRM',
      target: 'crm',
      kind,
      entity: { mapping: { keep: 'mapped', fields: { label: 'name', stock: 'stock' } }, deletes: 'delete' },
      onForeignChange,
      source:
        crm === 'target-only'
          ? null
          : { plan: compileEntityPlan(declaration as never, topics), counters, back, echoes: crm !== 'pushes' },
      keyIsEntity: true,
      topics,
      canonicalPartitions: 1,
    });
  }

  /** Another process that takes the partitions over. */
  newWorker(pace: Pace | undefined = this.#options.pace): TargetWorker {
    const { guard, connector } = this.#options;
    this.worker = new TargetWorker({
      target: 'crm',
      plans: new Map([[topics.resolved(kind), this.plan]]),
      connector: connector?.(this.target) ?? this.target,
      breaker: new CircuitBreaker({ failuresMax: 3, pauseMs: 1_000, pauseMsMax: 8_000 }, this.clock, () => 1),
      store: new MemoryTargetStore({
        rows: this.rows,
        statesOf: (entityId) => [...(this.#states.get(entityId)?.values() ?? [])],
        nowMs: () => this.clock.nowMs(),
        ...(pace === undefined ? {} : { pace }),
      }),
      producers: new ProducerPool([new MemoryProducer(this.log, pace)]),
      guard: { changedMax: 1, deletedMax: 1, atLeast: 1, windowMs: 3_600_000, approveFirst: false, ...guard },
      clock: this.clock,
      telemetry: silent,
    });
    return this.worker;
  }

  /** A change of a source as the processor brings it. */
  says(sourceType: 'SHOP' | 'CRM', key: string, data: JsonObject | null): void {
    this.clock.advance(1);
    this.#apply(sourceType, key, data, this.#nextPosition());
  }

  /** CRM's own users. Their change is told later where CRM is read, and not at all where it pushes and did not push. */
  crmPuts(key: string, row: TargetRow | null): void {
    this.clock.advance(1);
    this.target.put(kind, key, row);
  }

  golden(key: string): StateRow | undefined {
    return this.#of(key).get(goldenSourceType);
  }

  own(key: string): StateRow | undefined {
    return this.#of(key).get('CRM');
  }

  keys(): string[] {
    return [...this.#states.keys()].map((entityId) => entityId.slice(kind.length + 1));
  }

  /** One batch of the resolved topic. False where there was none. */
  async deliver(): Promise<boolean> {
    const topic = topics.resolved(kind);
    const batch: LogBatch = this.log.read(ref(topic), this.#read.get(topic) ?? 0, 500);
    if (batch.records.length === 0) return false;
    const verdict = await this.worker.handle(batch);
    this.#read.set(topic, verdict.kind === 'advance' ? verdict.nextOffset : verdict.offset);
    return true;
  }

  /** The sync manager hears of write-backs. */
  hearAcknowledgements(): boolean {
    const heard = this.#unread(topics.canonical(kind));
    for (const record of heard) {
      const { ledgerId, acknowledgement } = decodeAcknowledgement(record.value!);
      this.#settle({ kind: 'acknowledgement', ledgerId, acknowledgement });
    }
    return heard.length > 0;
  }

  /** What stands in CRM's change log, or on its raw topic, comes to the sync manager. */
  hearCrm(): boolean {
    const found = this.#unread(topics.raw('crm', kind)).filter(({ value }) => value !== null);
    // The word of the writes before stands on the canonical topic already when this comes there.
    if (found.length > 0) this.hearAcknowledgements();
    for (const record of found) {
      const { key, data, position } = JSON.parse(record.value!.toString());
      this.#apply('CRM', key, data === null ? null : this.plan.source!.plan.mapping.map(data), position);
    }
    if (this.#options.crm === 'pushes' || this.#options.crm === 'target-only') return found.length > 0;
    this.#look();
    const told = this.#crmLog.splice(0);
    for (const { key, row } of told)
      this.#apply('CRM', key, row === null ? null : this.plan.source!.plan.mapping.map(row), this.#nextPosition());
    return told.some(({ isNews }) => isNews);
  }

  /** Notes what changed at CRM since the last look, as its change log does. */
  readCrm(): void {
    if (this.#options.crm === 'is-read') this.#look();
  }

  #look(): void {
    for (const key of this.keys()) {
      const row = this.target.at(kind, key);
      const text = JSON.stringify(row);
      const isNews = (this.#told.get(key) ?? 'null') !== text;
      if (!isNews && this.#options.crm === 'is-read') continue;
      this.#told.set(key, text);
      this.#crmLog.push({ key, row, isNews });
    }
  }

  /** Until nothing moves any more. Returns how many rounds it took. */
  async settle(roundsMax = 50): Promise<number> {
    for (let round = 0; round < roundsMax; round++) {
      const moved = [this.hearCrm(), this.hearAcknowledgements(), await this.deliver()];
      if (!moved.includes(true)) return round;
    }
    throw new Error(`no rest after ${roundsMax} rounds`);
  }

  messages(topic: 'resolved' | 'canonical' | 'raw'): readonly LogRecord[] {
    return this.log.records(ref(topic === 'raw' ? topics.raw('crm', kind) : topics[topic](kind)));
  }

  #apply(sourceType: 'SHOP' | 'CRM', key: string, data: JsonObject | null, position: Position): void {
    const entityId = `${kind}:${key}` as EntityId;
    const nowMs = this.clock.nowMs();
    const source = sourceType.toLowerCase();
    const record: CanonicalRecord = {
      eventId: eventIdOf(source, kind, key, position, nowMs),
      source,
      sourceType,
      kind,
      key,
      entityId,
      operation: data === null ? 'delete' : (this.#of(key).get(sourceType)?.deleted ?? true) ? 'create' : 'update',
      position,
      occurredAt: new Date(nowMs).toISOString(),
      receivedAtMs: nowMs,
      correlationId: 'c',
      checksum: data === null ? null : checksumOf(data),
      data,
      origin: { topic: 't', partition: 0, offset: 0 },
    };
    this.#settle({ kind: 'record', record });
  }

  #settle(arrival: Arrival): void {
    const { entityId } = subjectOf(arrival);
    const { crm } = this.#options;
    const effects = decide({
      arrivals: [arrival],
      heads: [],
      shared: [...(this.#states.get(entityId)?.values() ?? [])],
      known: new Set(),
      writeBacks: this.rows.echoes.filter((echo) => echo.entityId === entityId && !(echo.heard && echo.told)).map(writeBackOf),
      policy: this.#policy,
      isShared: true,
      written: new Map(crm === 'target-only' ? [] : [['CRM', 'crm']]),
      pairs: [],
    });
    for (const row of effects.states) this.#put(entityId, row);
    const unheard = new Set(this.rows.echoes.flatMap(({ id, heard }) => (heard ? [] : [id])));
    this.heardWriteBacks += effects.writeBacks.filter(({ id, heard }) => heard && unheard.has(id)).length;
    this.rows.note(effects.writeBacks);
    for (const key of effects.outbox.resolved) this.log.append({ ...ref(topics.resolved(kind)), key, value: '{}' });
  }

  #put(entityId: EntityId, row: StateRow): void {
    const rows = this.#states.get(entityId) ?? new Map<string, StateRow>();
    this.#states.set(entityId, rows);
    rows.set(row.sourceType, row);
  }

  #of(key: string): ReadonlyMap<string, StateRow> {
    return this.#states.get(`${kind}:${key}` as EntityId) ?? new Map();
  }

  #unread(topic: string): LogRecord[] {
    const from = this.#read.get(topic) ?? 0;
    const records = this.log.records(ref(topic)).slice(from);
    this.#read.set(topic, from + records.length);
    return records;
  }

  #nextPosition(): Position {
    return positionOf(1, orderOf(++this.#position));
  }
}
