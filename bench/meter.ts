import { familyFigures, machineCpuSeconds, processFigures } from './process-figures.ts';
import type { Rig } from './rig.ts';

export interface Reading {
  readonly seconds: number;
  /** The highest of what the watched processes held together. */
  readonly rssMB: number;
  /** By process: CPU seconds. */
  readonly cpuSeconds: Readonly<Record<string, number>>;
  /** Cores that somebody else kept busy meanwhile. */
  readonly strangersCores: number;
}

/** Processes by what they are called in the notes. */
export type Watched = Readonly<Record<string, number>>;

const sampleMs = 200;

/** Watches the memory of some processes, and what they, the services and we ourselves use of the processors. */
export class Meter {
  readonly #watched: Watched;
  readonly #rig: Rig;
  readonly #timer: NodeJS.Timeout;
  readonly #began = performance.now();
  readonly #cpu: Readonly<Record<string, number>>;
  readonly #machine = machineCpuSeconds();
  #rssMB = 0;

  constructor(rig: Rig, watched: Watched) {
    this.#rig = rig;
    this.#watched = watched;
    this.#cpu = this.#cpuSeconds();
    this.#sample();
    this.#timer = setInterval(() => this.#sample(), sampleMs);
  }

  /** Ends the watching. */
  read(): Reading {
    clearInterval(this.#timer);
    this.#sample();
    const seconds = (performance.now() - this.#began) / 1_000;
    const now = this.#cpuSeconds();
    const cpuSeconds = Object.fromEntries(Object.entries(now).map(([name, total]) => [name, total - (this.#cpu[name] ?? 0)]));
    const ours = Object.values(cpuSeconds).reduce((sum, each) => sum + each, 0);
    const strangersCores = Math.max(0, machineCpuSeconds() - this.#machine - ours) / seconds;
    return { seconds, rssMB: this.#rssMB, cpuSeconds, strangersCores };
  }

  #sample(): void {
    const rssMB = Object.values(this.#watched).reduce((sum, pid) => sum + processFigures(pid).rssMB, 0);
    this.#rssMB = Math.max(this.#rssMB, rssMB);
  }

  #cpuSeconds(): Record<string, number> {
    return {
      ...Object.fromEntries(Object.entries(this.#watched).map(([name, pid]) => [name, processFigures(pid).cpuSeconds])),
      ...Object.fromEntries(Object.entries(this.#rig.servicePids).map(([name, pid]) => [name, familyFigures(pid).cpuSeconds])),
      bench: processFigures(process.pid).cpuSeconds,
    };
  }
}

/** CPU seconds per 100,000 of what was counted, by process. */
export function cpuNote(cpuSeconds: Readonly<Record<string, number>>, count: number): string {
  return Object.entries(cpuSeconds)
    .map(([name, seconds]) => `${name} ${((seconds / count) * 1e5).toFixed(2)}`)
    .join(', ');
}
