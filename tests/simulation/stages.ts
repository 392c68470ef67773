import { MemoryProducer } from '../../adapters/memory/event-log.ts';
import { type BindingRows, MemoryIdentityStore } from '../../adapters/memory/identity-store.ts';
import { partitionName } from '../../adapters/memory/pace.ts';
import { MemoryStageLedger } from '../../adapters/memory/stage-ledger.ts';
import { MemoryStateCache } from '../../adapters/memory/state-cache.ts';
import { MemorySyncStore } from '../../adapters/memory/sync-store.ts';
import type { CanonicalRecord, ChangeEvent, GoldenRecord } from '../../core/change-event.ts';
import { conflictRulesSchema } from '../../core/config/conflict-policy.ts';
import { compileConflictPolicy } from '../../core/conflict/policy.ts';
import { compileEntityPlan, type EntityPlan } from '../../core/entity-plan.ts';
import { SyncError } from '../../core/errors.ts';
import { identitySchema } from '../../core/identity/identity.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { PartitionWorker } from '../../core/ports/event-log.ts';
import type { RecordCodec } from '../../core/ports/record-codec.ts';
import type { Telemetry } from '../../core/ports/telemetry.ts';
import type { ProcessorLine } from '../../stream-processors/processor-worker.ts';
import type { SyncLine } from '../../sync-manager/sync-worker.ts';
import type { SimulatedProcess, SimulatedWorker } from './process.ts';
import { kind, refusedValues, type SourceManner, skus, unreadableValue, unsendableValue } from './workload.ts';
import { canonicalPartitions, names, resolvedPartitions, type WorkerFactory, type World } from './world.ts';

/** The classes under test: those of the product, or a mutant of one of them. */
export interface Stages {
  readonly ProcessorWorker: typeof import('../../stream-processors/processor-worker.ts').ProcessorWorker;
  readonly SyncWorker: typeof import('../../sync-manager/sync-worker.ts').SyncWorker;
  readonly Publisher: typeof import('../../sync-manager/publisher.ts').Publisher;
  /** Only a mutant of a model stands here: what the product's adapter would do if it were wrong in this way. */
  readonly MemoryStateCache?: typeof MemoryStateCache;
  readonly MemorySyncStore?: typeof MemorySyncStore;
  readonly MemoryStageLedger?: typeof MemoryStageLedger;
  readonly BindingRows?: typeof BindingRows;
}

const silence = () => {};
const telemetry: Telemetry = {
  recordsIn: silence,
  recordsOut: silence,
  batchFinished: silence,
  latencyObserved: silence,
  cacheRead: silence,
  partitionAcquired: silence,
  partitionLost: silence,
  cacheEraBegun: silence,
  deadLettered: silence,
  batchFailed: silence,
  partAvailability: silence,
  streamChanged: silence,
};

/** A few steps: long enough for who is alive to have published. */
const strandedAfterMs = 200;
const deadLetters = { topic: names.deadLetters, partitions: 1 };

/** How the processes of one run are set up. */
export interface Installation {
  readonly sources: readonly string[];
  readonly manner: SourceManner;
  /** Whether records of different sources are matched. */
  readonly matching: boolean;
  readonly claimAheadRecords: number;
  /** Processes started with another configuration than those before them: a roll-out that goes to and fro. */
  readonly configurations: number;
}

export function workerFactory(stages: Stages, installation: Installation): WorkerFactory {
  return (role, process, world) =>
    role === 'processor'
      ? { worker: processorOf(stages, installation, process, world) }
      : syncManagerOf(stages, installation, process, world);
}

function processorOf(stages: Stages, installation: Installation, process: SimulatedProcess, world: World): PartitionWorker {
  const pace = world.scheduler.paceOf(process);
  const Cache = stages.MemoryStateCache ?? MemoryStateCache;
  const Ledger = stages.MemoryStageLedger ?? MemoryStageLedger;
  const configuration = world.random.below(installation.configurations);
  const lines = installation.sources.map((source): [string, ProcessorLine] => {
    const plan = planOf(source, installation.manner, installation.matching);
    const configured = configuration === 0 ? plan : { ...plan, configId: `${plan.configId}-${configuration}` };
    return [
      plan.rawTopic,
      {
        plan: configured,
        rawCodec: refusing(changeCodec, unreadableValue, world),
        canonicalCodec: refusing(canonicalCodec, unsendableValue, world),
        canonicalPartitions,
      },
    ];
  });
  return new stages.ProcessorWorker({
    lines: new Map(lines),
    producers: Array.from({ length: 8 }, () => new MemoryProducer(world.log, pace)),
    ledger: new Ledger(world.ledgerRows, (origin, type, claim) => world.syncRows.proves(origin, type, claim), pace),
    cache: new Cache(world.cacheServer, pace),
    identityStore: new MemoryIdentityStore(world.bindings, pace),
    clock: clockOf(world, process),
    telemetry,
    deadLetters,
    claimAheadRecords: installation.claimAheadRecords,
  });
}

function syncManagerOf(stages: Stages, installation: Installation, process: SimulatedProcess, world: World): SimulatedWorker {
  const pace = world.scheduler.paceOf(process);
  const Store = stages.MemorySyncStore ?? MemorySyncStore;
  const refusalOf = (_: string, data: unknown) => world.refusalOf(data);
  const store = new Store(world.syncRows, { nowMs: () => world.nowMs(), refusalOf, pace });
  const acquire = store.acquire.bind(store);
  store.acquire = async (ref) => {
    const lease = await acquire(ref);
    process.tokens.set(partitionName(ref), lease.token);
    return lease;
  };
  const producers = Array.from({ length: 8 }, () => new MemoryProducer(world.log, pace));
  const publisher = new stages.Publisher({ store, producers, deadLetters });
  const line: SyncLine = {
    kind,
    canonicalCodec,
    goldenCodec,
    resolvedTopic: names.resolved(kind),
    resolvedPartitions,
    policy: installation.matching ? matchingPolicy : compileConflictPolicy(kind, undefined, []),
    isShared: world.sources.length > 1,
    written: new Map(),
    pairs: [],
  };
  const lines = new Map([[names.canonical(kind), line]]);
  const worker = new stages.SyncWorker({
    lines,
    store,
    publisher,
    clock: clockOf(world, process),
    telemetry,
  });
  const rescue = async () => {
    const stranded = await store.strandedOutbox(strandedAfterMs);
    for (const ref of [...stranded, ...publisher.doubtfulPartitions()]) await worker.rescue(ref);
  };
  return { worker, rescue, inDoubt: () => publisher.doubtfulPartitions() };
}

function clockOf(world: World, process: SimulatedProcess): Clock {
  const pace = world.scheduler.paceOf(process);
  return { nowMs: () => world.nowMs(), sleep: () => pace('clock.sleep', () => undefined) };
}

const identityRules = identitySchema.parse([{ fields: ['sku'] }]);
/** One by which the golden record follows from the rows alone. */
export const matchingPolicy = compileConflictPolicy(kind, conflictRulesSchema.parse({ default: 'newest_wins' }), [
  { name: 'shop', type: 'SHOP' },
  { name: 'erp', type: 'ERP' },
]);

const plans = new Map<string, EntityPlan>();

function planOf(source: string, manner: SourceManner, matching: boolean): EntityPlan {
  const id = `${source} ${manner} ${matching}`;
  const ordered = manner !== 'any order';
  const identity = matching ? identityRules : undefined;
  const plan = plans.get(id) ?? compileEntityPlan({ source, sourceType: source.toUpperCase(), kind, ordered, identity }, names);
  plans.set(id, plan);
  return plan;
}

/** The other way round than the plans compute it, for the few records there are. */
export function dataOfFingerprint(fingerprint: string): JsonObject | undefined {
  for (const value of ['A', 'B', 'C', ...refusedValues]) {
    for (const data of [{ value }, ...skus.map((sku) => ({ value, sku }))]) {
      if (planOf('shop', 'once', false).comparison.fingerprint(data) === fingerprint) return data;
    }
  }
  return undefined;
}

const changeCodec = jsonCodec<ChangeEvent>();
const canonicalCodec = jsonCodec<CanonicalRecord>();
const goldenCodec = jsonCodec<GoldenRecord>();

/** Cannot read or write this value until the configuration is mended. */
function refusing<P extends { readonly data: unknown }>(codec: RecordCodec<P>, value: string, world: World): RecordCodec<P> {
  const checked = (payload: P): P => {
    const found = (payload.data as { value?: string } | null)?.value;
    if (world.misconfigured && found === value) throw new SyncError('schema.unknown', `${value} is not known yet`);
    return payload;
  };
  return { encode: (payload) => codec.encode(checked(payload)), decode: (bytes) => checked(codec.decode(bytes)) };
}

/** The least a codec has to do: what the messages look like is not what is tested here. */
function jsonCodec<P>(): RecordCodec<P> {
  return {
    encode: (payload) => JSON.stringify(payload),
    decode(value) {
      try {
        return JSON.parse(String(value)) as P;
      } catch (error) {
        throw new SyncError('record.malformed', 'not JSON', { cause: error });
      }
    },
  };
}
