import type { ConflictPolicy } from '../core/conflict/policy.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { ConflictWorld, type WriteBack } from './conflict-world.ts';

/** What somebody did to one field at one system, and which doings were in front of his eyes then. */
export interface Deed {
  readonly source: string;
  readonly field: string;
  readonly eventId: string;
  readonly value: JsonValue;
  readonly known: ReadonlySet<Deed>;
}

interface System {
  state: JsonObject | null;
  /** Everything that has found its way into this system's state. */
  seen: Set<Deed>;
  readonly records: {
    readonly data: JsonObject | null;
    readonly eventId: string;
    readonly atMs: number;
    readonly deeds: readonly Deed[];
  }[];
  acknowledgement: WriteBack | undefined;
}

/** Systems with states of their own, changed by their users and by our conditional write-backs; words about both take their time. */
export class ConflictSystems {
  readonly world: ConflictWorld;
  readonly deeds: Deed[] = [];
  /** Deeds the engine has been told of. */
  #told = new Set<Deed>();
  readonly #systems = new Map<string, System>();
  #events = 0;

  constructor(policy: ConflictPolicy, sources: readonly string[], initial: JsonObject) {
    this.world = new ConflictWorld(policy);
    for (const source of sources) {
      this.#systems.set(source, { state: initial, seen: new Set(), records: [], acknowledgement: undefined });
      this.world.change(source, initial, { operation: 'snapshot', atMs: 0 });
    }
  }

  state(source: string): JsonObject | null {
    return this.#systems.get(source)!.state;
  }

  /** A user of the system changes fields. */
  change(source: string, fields: JsonObject, atMs: number): void {
    const system = this.#systems.get(source)!;
    const eventId = `${source}-u${++this.#events}`;
    const known = new Set(system.seen);
    const deeds = Object.entries(fields).map(([field, value]) => ({ source, field, eventId, value, known }));
    system.state = { ...system.state, ...fields };
    for (const deed of deeds) system.seen.add(deed);
    this.deeds.push(...deeds);
    system.records.push({ data: system.state, eventId, atMs, deeds });
  }

  /** The engine hears of the oldest change it has not heard of. */
  deliver(source: string): void {
    const record = this.#systems.get(source)!.records.shift();
    if (record === undefined) return;
    for (const deed of record.deeds) this.#told.add(deed);
    this.world.change(source, record.data, { eventId: record.eventId, atMs: record.atMs });
  }

  /** Writes the golden record, unless the system is not any more as we know it: then its own change is on the way. */
  write(source: string): void {
    const system = this.#systems.get(source)!;
    if (system.records.length > 0 || system.acknowledgement !== undefined) return;
    if (JSON.stringify(system.state) === JSON.stringify(this.world.golden)) return;
    system.acknowledgement = this.world.writeBack(source);
    system.state = this.world.golden;
    for (const deed of this.#told) system.seen.add(deed);
  }

  acknowledge(source: string): void {
    const system = this.#systems.get(source)!;
    if (system.acknowledgement === undefined) return;
    this.world.acknowledge(system.acknowledgement);
    system.acknowledgement = undefined;
  }

  /** Until nobody has anything to say: the number of rounds of writing it took. */
  quiesce(): number {
    for (let round = 0; ; round++) {
      const before = JSON.stringify([...this.#systems.values()].map(({ state }) => state));
      for (const source of this.#systems.keys()) {
        while (this.#systems.get(source)!.records.length > 0) this.deliver(source);
        this.acknowledge(source);
      }
      for (const source of this.#systems.keys()) this.write(source);
      for (const source of this.#systems.keys()) this.acknowledge(source);
      if (round > 0 && before === JSON.stringify([...this.#systems.values()].map(({ state }) => state))) return round;
      if (round > 20) throw new Error('the systems do not become quiet');
    }
  }
}
