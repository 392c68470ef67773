import type { LogStore } from '../../adapters/memory/log-store.ts';
import { partitionName } from '../../adapters/memory/pace.ts';
import type { PartitionRef, PartitionWorker } from '../../core/ports/event-log.ts';
import type { Random } from './random.ts';
import type { Actor, Scheduler } from './scheduler.ts';

interface Assigned {
  readonly ref: PartitionRef;
  position: number;
}

/** What a role runs beside the batches, where it runs anything. */
export interface SimulatedWorker {
  readonly worker: PartitionWorker;
  /** Looks for what a dead process left unpublished. */
  readonly rescue?: () => Promise<void>;
  /** Partitions of which it may have written an old version last and has not looked after it yet. */
  readonly inDoubt?: () => readonly PartitionRef[];
}

/** One process of a role: the real worker, fed with batches the way a consumer group member feeds it. */
export class SimulatedProcess implements Actor {
  readonly name: string;
  crashed = false;
  pausedUntilStep = 0;
  /** A failure of ours: an assertion that broke. */
  broken: unknown;
  readonly #commits: (ref: PartitionRef, offset: number) => void;
  /** The token it last acquired each partition under. */
  readonly tokens = new Map<string, number>();
  readonly inDoubt: () => readonly PartitionRef[];
  readonly #worker: PartitionWorker;
  readonly #rescue: (() => Promise<void>) | undefined;
  #rescuing = false;
  readonly #log: LogStore;
  readonly #scheduler: Scheduler;
  readonly #assigned = new Map<string, Assigned>();
  readonly #busy = new Set<string>();
  readonly #abort = new AbortController();

  constructor(
    name: string,
    commits: (process: SimulatedProcess, ref: PartitionRef, offset: number) => void,
    log: LogStore,
    scheduler: Scheduler,
    makeWorker: (process: SimulatedProcess) => SimulatedWorker,
  ) {
    this.name = name;
    this.#commits = (ref, offset) => commits(this, ref, offset);
    this.#log = log;
    this.#scheduler = scheduler;
    const { worker, rescue, inDoubt } = makeWorker(this);
    this.inDoubt = inDoubt ?? (() => []);
    this.#worker = worker;
    this.#rescue = rescue;
  }

  assign(ref: PartitionRef, position: number): void {
    this.#worker.reassigned();
    this.#assigned.set(partitionName(ref), { ref, position });
  }

  /** It hears that the partition belongs to another member. */
  revoke(ref: PartitionRef): void {
    this.#worker.reassigned();
    this.#assigned.delete(partitionName(ref));
  }

  goBack(ref: PartitionRef, position: number): void {
    this.#assigned.get(partitionName(ref))!.position = position;
  }

  rebalanced(): void {
    this.#worker.reassigned();
  }

  /** Partitions for which a batch could be delivered now. */
  deliverable(): PartitionRef[] {
    const refs: PartitionRef[] = [];
    for (const [name, { ref, position }] of this.#assigned) {
      if (!this.#busy.has(name) && position < this.#log.end(ref)) refs.push(ref);
    }
    return refs;
  }

  rescue(): void {
    if (this.#rescue === undefined || this.#rescuing) return;
    this.#rescuing = true;
    this.#rescue()
      .catch((error: unknown) => this.#notice(error))
      .finally(() => {
        this.#rescuing = false;
      });
  }

  isBusy(): boolean {
    return this.#busy.size > 0 || this.#rescuing;
  }

  deliver(ref: PartitionRef, random: Random): void {
    const name = partitionName(ref);
    const assigned = this.#assigned.get(name)!;
    const batch = this.#log.read(ref, assigned.position, random.between(1, 8));
    this.#scheduler.say(() => `${this.name} gets ${name} [${batch.fetchedOffset}, ${batch.nextOffset})`);
    this.#busy.add(name);
    this.#worker
      .handle(batch, this.#abort.signal)
      .then(
        (verdict) => {
          if (this.crashed) return;
          assigned.position = verdict.kind === 'advance' ? verdict.nextOffset : verdict.offset;
          this.#scheduler.say(() => `${this.name} ${verdict.kind}s ${name} to ${assigned.position}`);
          if (random.chance(0.8)) this.#commits(ref, assigned.position);
        },
        (error: unknown) => {
          this.#scheduler.say(() => `${this.name} fails on ${name}: ${String(error)}`);
          this.#notice(error);
        },
      )
      .finally(() => this.#busy.delete(name));
  }

  /** The world's failures are what the simulation makes; any other is ours. */
  #notice(error: unknown): void {
    if (!(error instanceof Error) || error.name !== 'SyncError') this.broken ??= error;
  }
}
