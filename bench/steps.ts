import type { RoleName } from '../bin/roles/role.ts';
import { type Measurement, measureUntilSettled, progressOf } from './measurement.ts';
import type { Rig } from './rig.ts';
import type { Sender } from './sender.ts';
import { type Change, entityAt } from './workload.ts';

export const pipelineRoles: readonly RoleName[] = ['processor', 'sync-manager'];

/** Commit times rise as they would at this many changes a second, so that event ids are ordered as in life. */
const changesPerMs = 12;
const beginningMs = Date.UTC(2026, 5, 1);

/** Numbers the changes of one source: versions of its entities, in one order. */
export class Course {
  readonly entities: number;
  #sent = 0;
  #changed = 0;

  constructor(entities: number) {
    this.entities = entities;
  }

  get sent(): number {
    return this.#sent;
  }

  /** How many of them changed something. */
  get changed(): number {
    return this.#changed;
  }

  /** The next `count` changes: each visit of an entity brings a version that differs in every field. */
  changes(count: number): (n: number) => Change {
    const visits = this.#changed;
    this.#changed += count;
    return this.#next(count, (n) => ({ visit: visits + n, version: Math.floor((visits + n) / this.entities) }));
  }

  /** The next `count` events, in which every entity is as it last was: all must have the same version. */
  repeats(count: number): (n: number) => Change {
    const version = this.#changed / this.entities - 1;
    return this.#next(count, (n) => ({ visit: n, version }));
  }

  #next(count: number, visitOf: (n: number) => { visit: number; version: number }): (n: number) => Change {
    const first = this.#sent;
    this.#sent += count;
    return (n) => {
      const { visit, version } = visitOf(n);
      const occurredAtMs = beginningMs + Math.floor((first + n) / changesPerMs);
      return { entity: entityAt(visit, this.entities), version, sequence: first + n + 1, occurredAtMs };
    };
  }
}

/** Preloads the raw topic while nothing consumes it, then starts the roles and measures until all of it is settled. */
export async function runPreloaded(
  rig: Rig,
  sender: Sender,
  count: number,
  changeAt: (n: number) => Change,
  warmUp = 0,
): Promise<Measurement> {
  await rig.stopRoles();
  await sender.preload(count, changeAt, rig.signal);
  const before = await progressOf(rig);
  const measuring = measureUntilSettled(rig, before, count, warmUp);
  measuring.catch(() => undefined);
  await rig.startRoles(pipelineRoles);
  return await measuring;
}

/** Sends while the roles are at work, as fast as the sender can: its CPU counts. */
export async function runLive(rig: Rig, sender: Sender, count: number, changeAt: (n: number) => Change): Promise<Measurement> {
  const before = await progressOf(rig);
  const [measured] = await Promise.all([measureUntilSettled(rig, before, count), sender.preload(count, changeAt, rig.signal)]);
  return measured;
}
