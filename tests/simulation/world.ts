import type { BindingRows } from '../../adapters/memory/identity-store.ts';
import { LogStore } from '../../adapters/memory/log-store.ts';
import { partitionName } from '../../adapters/memory/pace.ts';
import { LedgerRows } from '../../adapters/memory/stage-ledger.ts';
import { CacheServer, type CacheSnapshot } from '../../adapters/memory/state-cache.ts';
import { SyncRows } from '../../adapters/memory/sync-rows.ts';
import { type EntityId, rawHeaders } from '../../core/change-event.ts';
import type { DeadLetter } from '../../core/dead-letter.ts';
import type { Binding } from '../../core/identity/binding.ts';
import type { MoveReason } from '../../core/identity/move.ts';
import { encodeRelink } from '../../core/identity/move-message.ts';
import type { JsonObject } from '../../core/json.ts';
import { partitionOf } from '../../core/partition.ts';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import { topicNames } from '../../core/topics.ts';
import { SimulatedProcess, type SimulatedWorker } from './process.ts';
import type { Random } from './random.ts';
import { type Actor, Scheduler } from './scheduler.ts';
import { kind, refusedValues, type Sending, type SourceManner, type SourcePlan } from './workload.ts';

export const names = topicNames();
export const rawPartitions = 2;
export const canonicalPartitions = 2;
export const resolvedPartitions = 1;

/** A role and its consumer group: which process has which partition. */
interface Role {
  readonly name: string;
  readonly processes: SimulatedProcess[];
  readonly owners: Map<string, Owner>;
}

interface Owner {
  readonly ref: PartitionRef;
  slot: number;
}

/** What a process was told of too late: it goes on as if the partition were its own. */
interface LateNotice {
  readonly process: SimulatedProcess;
  readonly ref: PartitionRef;
}

export type WorkerFactory = (role: 'processor' | 'sync-manager', process: SimulatedProcess, world: World) => SimulatedWorker;

/** The record with this fingerprint, where a source could send it. */
export type CachedData = (fingerprint: string) => JsonObject | undefined;

const processesPerRole = 2;
const snapshotsKept = 6;

/** Everything outside the code under test: broker, database, cache server, sources, and who owns what. */
export class World {
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly log: LogStore;
  readonly cacheServer = new CacheServer();
  readonly syncRows = new SyncRows();
  readonly ledgerRows = new LedgerRows(this.syncRows.refused);
  readonly bindings: BindingRows;
  /** Whether records of different sources are matched. */
  readonly matching: boolean;
  readonly sources: readonly SourcePlan[];
  /** The database refuses some records until it is mended. */
  refuses = true;
  /** The processors cannot process some until nothing else is under way: what an owner announced is repeated as it was. */
  misconfigured = true;
  /** Partitions of which a process published that had lost it, and crashed before it could look after what it wrote. */
  readonly unrepaired = new Set<string>();
  readonly #makeWorker: WorkerFactory;
  readonly #unsent: { readonly source: string; readonly manner: SourceManner; readonly sendings: Sending[] }[];
  readonly #cachedData: CachedData;
  readonly #roles: readonly Role[];
  readonly #snapshots: CacheSnapshot[] = [];
  readonly #notices: LateNotice[] = [];
  readonly #replayed = new Set<string>();
  readonly #tooLate = new Set<string>();
  #rescuedAtRest = false;
  #restarts = 0;
  #orders = 0;

  constructor(
    random: Random,
    sources: readonly SourcePlan[],
    makeWorker: WorkerFactory,
    cachedData: CachedData,
    { bindings, matching }: { readonly bindings: BindingRows; readonly matching: boolean },
    trace?: (line: string) => void,
  ) {
    this.#cachedData = cachedData;
    this.bindings = bindings;
    this.matching = matching;
    this.random = random;
    this.sources = sources;
    this.scheduler = new Scheduler(random, trace);
    this.log = new LogStore(() => this.nowMs());
    this.#makeWorker = makeWorker;
    this.#unsent = sources.map((plan) => ({ ...plan, sendings: [...plan.sendings] }));
    const rawTopics = sources.map(({ source }) => names.raw(source, kind));
    for (const topic of rawTopics) this.log.createTopic(topic, rawPartitions);
    this.log.createTopic(names.canonical(kind), canonicalPartitions);
    this.log.createTopic(names.resolved(kind), resolvedPartitions);
    this.log.createTopic(names.deadLetters, 1);
    this.#roles = [this.#startRole('processor', rawTopics), this.#startRole('sync-manager', [names.canonical(kind)])];
  }

  nowMs(): number {
    return Date.UTC(2026, 0, 2) + this.scheduler.step * 20;
  }

  processes(): readonly SimulatedProcess[] {
    return this.#roles.flatMap((role) => role.processes);
  }

  hasUnsent(): boolean {
    return this.#unsent.some(({ sendings }) => sendings.length > 0);
  }

  sendNext(): void {
    const { source, manner, sendings } = this.random.pick(this.#unsent.filter((plan) => plan.sendings.length > 0));
    const sending = manner === 'once' ? this.#tempting(sendings.shift()!) : sendings.shift()!;
    const key = sending.kind === 'event' ? sending.event.key : sending.key;
    const value = sending.kind === 'event' ? JSON.stringify(sending.event) : '{"not":';
    this.scheduler.say(() => `${source} sends ${key} ${describe(sending)} as offset ${this.log.end(rawRefOf(source, key))}`);
    this.log.append({ ...rawRefOf(source, key), key, value });
  }

  /** Batches that could be delivered now. */
  deliverables(): { readonly process: SimulatedProcess; readonly ref: PartitionRef }[] {
    const found: { process: SimulatedProcess; ref: PartitionRef }[] = [];
    for (const role of this.#roles) {
      for (const process of role.processes) {
        if (process.pausedUntilStep > this.scheduler.step) continue;
        for (const ref of process.deliverable()) found.push({ process, ref });
      }
    }
    return found;
  }

  crashOne(): void {
    const role = this.random.pick(this.#roles);
    const slot = this.random.below(processesPerRole);
    const process = role.processes[slot]!;
    this.scheduler.say(() => `${process.name} crashes`);
    // What is published late by a process that is gone nobody can put right: a broker has it long before its successor acts.
    this.scheduler.crash(process, (operation) => role.name === 'processor' || operation !== 'log.append');
    for (const ref of process.inDoubt()) this.unrepaired.add(partitionName(ref));
    for (const [name, token] of process.tokens) {
      const { ref } = role.owners.get(name)!;
      if (process.isBusy() && token < this.syncRows.progressOf(ref).token) this.unrepaired.add(name);
    }
    role.processes[slot] = this.#startProcess(role, slot);
    for (const owner of role.owners.values()) {
      if (owner.slot !== slot) continue;
      if (this.random.chance(0.5)) owner.slot = (slot + 1) % processesPerRole;
      this.#assign(role, role.processes[owner.slot]!, owner.ref);
    }
  }

  moveOne(): void {
    const role = this.random.pick(this.#roles);
    this.#move(role, this.random.pick([...role.owners.values()]));
  }

  /** A process stands still before its next step, loses what it has, and goes on later as if nothing had happened. */
  makeZombie(actor: Actor): boolean {
    for (const role of this.#roles) {
      const slot = role.processes.indexOf(actor as SimulatedProcess);
      if (slot < 0) continue;
      this.#pause(role.processes[slot]!);
      for (const owner of role.owners.values()) if (owner.slot === slot) this.#move(role, owner);
    }
    return true;
  }

  /** A rebalance that leaves a process what it had. */
  rebalanceOne(): void {
    this.random.pick(this.processes()).rebalanced();
  }

  tellOne(): void {
    if (this.#notices.length > 0) this.#tell(this.#notices.splice(this.random.below(this.#notices.length), 1)[0]!);
  }

  rescueOne(): void {
    const process = this.random.pick(this.processes());
    if (process.pausedUntilStep <= this.scheduler.step) process.rescue();
  }

  /** Everyone looks once more. False when nothing is left to be found. */
  rescueAll(): boolean {
    const left = this.log.partitionsOf(names.canonical(kind)).some((ref) => this.syncRows.outboxOf(ref).length > 0);
    if (!left && this.#rescuedAtRest) return false;
    this.#rescuedAtRest = true;
    for (const process of this.processes()) process.rescue();
    return true;
  }

  pauseOne(): void {
    this.#pause(this.random.pick(this.processes()));
  }

  disturbCache(): void {
    const disturbance = this.random.pick(['flushed', 'restarted', 'set back', 'set back'] as const);
    this.scheduler.say(() => `the cache is ${disturbance}`);
    if (disturbance === 'flushed') this.cacheServer.flush();
    if (disturbance === 'restarted') this.cacheServer.restart();
    const snapshots = this.#snapshots.slice(-snapshotsKept);
    if (disturbance === 'set back' && snapshots.length > 0) this.cacheServer.restore(this.random.pick(snapshots));
  }

  saveCache(): void {
    this.#snapshots.push(this.cacheServer.snapshot());
  }

  mend(): void {
    if (this.refuses) this.scheduler.say(() => 'the database is mended');
    this.refuses = false;
  }

  /** Tries a dead letter again, whose cause may have been mended. Poison is left to a human. */
  replayOne(): boolean {
    const letters = this.deadLetters().filter(
      ({ id, code, replayOf }) =>
        !this.#replayed.has(id) &&
        (code === 'store.rejected' ||
          (code === 'schema.unknown' && !this.misconfigured) ||
          (code === 'identity.conflict' && replayOf === null)),
    );
    if (letters.length === 0) return false;
    const letter = this.random.pick(letters);
    this.#replayed.add(letter.id);
    const { origin } = letter;
    const { key, value } = this.log.records(origin)[origin.offset]!;
    this.scheduler.say(() => `dead letter of ${partitionName(origin)}@${origin.offset} is replayed as ${this.log.end(origin)}`);
    this.log.append({ ...origin, key: key!, value, headers: { [rawHeaders.replayOf]: letter.replayOf ?? letter.id } });
    return true;
  }

  /** Somebody moves a record to where another one is, or to an entity of its own, or merges two entities. */
  orderOne(): void {
    const bound = this.bindings.pages.bindings();
    if (bound.length === 0) return;
    const record = this.random.pick(bound);
    const into = this.random.pick(bound).entityId;
    switch (this.random.pick(['link', 'split', 'merge'] as const)) {
      case 'link':
        this.#order(record, into, 'link');
        break;
      case 'split':
        this.#order(record, `${kind}:split-${++this.#orders}` as EntityId, 'split');
        break;
      case 'merge': {
        if (record.entityId === into) return;
        const verdict = this.bindings.merge(kind, record.entityId, into);
        if (verdict.kind === 'begun') for (const moving of verdict.moving) this.#order(moving, into, 'merge');
      }
    }
  }

  #order({ source, key }: Binding, to: EntityId, reason: MoveReason): void {
    const n = ++this.#orders;
    const eventId = `00000000-0000-8000-8000-${String(n).padStart(12, '0')}`;
    const ref = rawRefOf(source, key);
    this.scheduler.say(() => `${source} ${key} is told to ${reason} with ${to}, as offset ${this.log.end(ref)}`);
    const value = encodeRelink({ eventId, to, reason, by: null });
    this.log.append({ ...ref, key, value, headers: { [rawHeaders.control]: 'relink' } });
  }

  deadLetters(): DeadLetter[] {
    const letters = new Map<string, DeadLetter>();
    for (const record of this.log.records({ topic: names.deadLetters, partition: 0 })) {
      const letter = JSON.parse(String(record.value)) as DeadLetter;
      letters.set(letter.id, letter);
    }
    return [...letters.values()];
  }

  refusalOf(data: unknown): string | undefined {
    const refused = this.refuses && refusedValues.includes(String((data as { value?: string } | null)?.value));
    return refused ? 'the database does not take this value' : undefined;
  }

  /** Everyone is awake and knows what it owns. */
  endFaults(): void {
    this.scheduler.say(() => 'no more faults');
    this.refuses = false;
    for (const process of this.processes()) process.pausedUntilStep = 0;
    while (this.#notices.length > 0) this.#tell(this.#notices.shift()!);
    for (const role of this.#roles) {
      for (const [name, { ref, slot }] of role.owners) {
        if (this.#tooLate.has(name)) role.processes[slot]!.goBack(ref, this.log.committed(role.name, ref));
      }
    }
  }

  #pause(process: SimulatedProcess): void {
    process.pausedUntilStep = this.scheduler.step + this.random.between(5, this.random.pick([30, 150, 150]));
    this.scheduler.say(() => `${process.name} is paused until ${process.pausedUntilStep}`);
  }

  #move(role: Role, owner: Owner): void {
    const before = role.processes[owner.slot]!;
    owner.slot = (owner.slot + 1) % processesPerRole;
    const after = role.processes[owner.slot]!;
    this.scheduler.say(() => `${partitionName(owner.ref)} moves from ${before.name} to ${after.name}`);
    this.#assign(role, after, owner.ref);
    this.#notices.push({ process: before, ref: owner.ref });
  }

  #assign(role: Role, process: SimulatedProcess, ref: PartitionRef): void {
    // It may have had the partition before and never have heard that it lost it.
    const unheard = this.#notices.findIndex((notice) => notice.process === process && notice.ref === ref);
    if (unheard >= 0) this.#notices.splice(unheard, 1);
    process.assign(ref, this.#startingPosition(role, ref));
  }

  /** Returns to the value that stands in the cache: if the cache is wrong, the change is lost. */
  #tempting(sending: Sending): Sending {
    if (sending.kind === 'poison' || !this.random.chance(0.4)) return sending;
    const { event } = sending;
    const entry = this.cacheServer.entryOf(rawRefOf(event.source, event.key), event.key)?.entry;
    const data = entry === undefined ? undefined : this.#cachedData(entry.fingerprint);
    return data === undefined ? sending : { kind: 'event', event: { ...event, operation: 'update', data } };
  }

  #tell({ process, ref }: LateNotice): void {
    if (process.crashed) return;
    this.scheduler.say(() => `${process.name} hears that it lost ${partitionName(ref)}`);
    process.revoke(ref);
  }

  #startRole(name: 'processor' | 'sync-manager', topics: readonly string[]): Role {
    const role: Role = { name, processes: [], owners: new Map() };
    for (let slot = 0; slot < processesPerRole; slot++) role.processes.push(this.#startProcess(role, slot));
    for (const ref of topics.flatMap((topic) => this.log.partitionsOf(topic))) {
      const slot = this.random.below(processesPerRole);
      role.owners.set(partitionName(ref), { ref, slot });
      role.processes[slot]!.assign(ref, 0);
    }
    return role;
  }

  #startProcess(role: Role, slot: number): SimulatedProcess {
    const commits = (process: SimulatedProcess, ref: PartitionRef, offset: number) => {
      const owner = role.owners.get(partitionName(ref));
      if (owner !== undefined && role.processes[owner.slot] === process) this.log.commit(role.name, ref, offset);
    };
    return new SimulatedProcess(`${role.name}-${slot}.${this.#restarts++}`, commits, this.log, this.scheduler, (process) =>
      this.#makeWorker(role.name as 'processor', process, this),
    );
  }

  /** Where the group says it was; or earlier, or later, as clients do that found an offset out of range. */
  #startingPosition(role: Role, ref: PartitionRef): number {
    const committed = this.log.committed(role.name, ref);
    const start = this.random.chance(0.7) ? committed : this.random.below(this.log.end(ref) + 1);
    // One that began too late learns so from its first batch. Should none come, it has to be told.
    if (start > committed) this.#tooLate.add(partitionName(ref));
    return start;
  }
}

export function rawRefOf(source: string, key: string): PartitionRef {
  return { topic: names.raw(source, kind), partition: partitionOf(key, rawPartitions) };
}

function describe(sending: Sending): string {
  if (sending.kind === 'poison') return 'bytes that are no event';
  const { data, position } = sending.event;
  return `${data === null ? 'deleted' : JSON.stringify(data)} at ${position}`;
}
