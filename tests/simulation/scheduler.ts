import type { Pace } from '../../adapters/memory/pace.ts';
import { SyncError } from '../../core/errors.ts';
import type { Random } from './random.ts';

/** Whoever's operations are scheduled: a process that can be paused, and that can crash. */
export interface Actor {
  readonly name: string;
  crashed: boolean;
  pausedUntilStep: number;
}

interface Operation {
  readonly actor: Actor;
  readonly name: string;
  /** The effect takes place and the answer arrives. */
  readonly complete: () => void;
  /** The effect takes place, the answer is lost. */
  readonly takeEffect: () => void;
  readonly fail: (error: unknown) => void;
}

/** Owns every await of the code under test: nothing goes on unless it is picked here. */
export class Scheduler {
  step = 0;
  readonly #random: Random;
  readonly #trace: ((line: string) => void) | undefined;
  #pending: Operation[] = [];
  /** Requests of crashed processes that are still on their way. */
  #orphans: Operation[] = [];

  constructor(random: Random, trace: ((line: string) => void) | undefined) {
    this.#random = random;
    this.#trace = trace;
  }

  paceOf(actor: Actor): Pace {
    return (name, effect) =>
      new Promise((resolve, reject) => {
        if (actor.crashed) return;
        const complete = () => {
          try {
            resolve(effect());
          } catch (error) {
            reject(error);
          }
        };
        const takeEffect = () => {
          try {
            effect();
          } catch {
            // The refusal is an answer too, and answers of this operation are lost.
          }
        };
        this.#pending.push({ actor, name, complete, takeEffect, fail: reject });
      });
  }

  say(line: () => string): void {
    this.#trace?.(`${this.step} ${line()}`);
  }

  /** Lets one operation go on, or fail, or its process stand still before it. False when none can. */
  advance(fails: (operation: string) => boolean, stopsHere: (actor: Actor, operation: string) => boolean): boolean {
    const ready: number[] = [];
    for (let index = 0; index < this.#pending.length; index++) {
      if (this.#pending[index]!.actor.pausedUntilStep <= this.step) ready.push(index);
    }
    if (ready.length === 0) return false;
    const index = this.#random.pick(ready);
    const operation = this.#pending[index]!;
    if (stopsHere(operation.actor, operation.name)) return true;
    this.#pending.splice(index, 1);
    if (fails(operation.name)) {
      const tookEffect = this.#random.chance(0.5);
      this.say(() => `${operation.actor.name} ${operation.name} fails ${tookEffect ? 'after' : 'before'} its effect`);
      if (tookEffect) operation.takeEffect();
      operation.fail(outageOf(operation.name));
    } else {
      this.say(() => `${operation.actor.name} ${operation.name}`);
      operation.complete();
    }
    return true;
  }

  /** The process is gone. Each request it had under way is lost, took effect, or, where that is said, is still on its way. */
  crash(actor: Actor, mayComeLate: (operation: string) => boolean): void {
    actor.crashed = true;
    const own = this.#pending.filter((operation) => operation.actor === actor);
    this.#pending = this.#pending.filter((operation) => operation.actor !== actor);
    for (const operation of own) {
      const fate = this.#random.below(mayComeLate(operation.name) ? 3 : 2);
      this.say(() => `${actor.name} ${operation.name} was under way: ${['lost', 'took effect', 'still on its way'][fate]}`);
      if (fate === 1) operation.takeEffect();
      if (fate === 2) this.#orphans.push(operation);
    }
  }

  landOrphan(): void {
    if (this.#orphans.length === 0) return;
    const [operation] = this.#orphans.splice(this.#random.below(this.#orphans.length), 1) as [Operation];
    this.say(() => `${operation.actor.name} (crashed) ${operation.name} arrives`);
    operation.takeEffect();
  }

  hasOrphans(): boolean {
    return this.#orphans.length > 0;
  }

  hasPending(): boolean {
    return this.#pending.length > 0;
  }
}

const partOf: Readonly<Record<string, 'redis.unavailable' | 'kafka.unavailable' | 'postgres.unavailable'>> = {
  cache: 'redis.unavailable',
  log: 'kafka.unavailable',
};

function outageOf(operation: string): SyncError {
  return new SyncError(partOf[operation.slice(0, operation.indexOf('.'))] ?? 'postgres.unavailable', 'simulated outage');
}
