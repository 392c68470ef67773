import type { Contender, Side } from './capture-contender.ts';
import { checkArrivals, type Span, spanOf } from './capture-topic.ts';
import { cpuNote, Meter, type Reading } from './meter.ts';
import type { Rig } from './rig.ts';
import type { Result } from './scenario.ts';

/** What came of one side in all its rounds. */
export interface Outcome {
  readonly perSecond: number;
  /** Of its own processes, at most. */
  readonly rssMB: number;
  readonly rounds: readonly Round[];
}

export interface Round extends Span {
  readonly counted: number;
  readonly reading: Reading;
}

/** Two do the same, turn by turn, in one run: whatever else happens on the machine meets both. */
export class Contest {
  readonly #rig: Rig;
  readonly #rounds = new Map<Side, Round[]>();

  readonly #sides: Contender[] = [];

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  /** Closed with the contest. */
  enter<C extends Contender>(side: C): C {
    this.#sides.push(side);
    return side;
  }

  async close(): Promise<void> {
    await Promise.all(this.#sides.map((side) => side.close()));
  }

  /** From its beginning until so many rows stand on its topic in this version. The clock is the broker's. */
  async measure(side: Contender, rows: number, version: number, begin: () => Promise<void>): Promise<void> {
    const meter = new Meter(this.#rig, side.watched);
    await begin();
    await side.topic.arrived(rows, () => side.check());
    const reading = meter.read();
    const arrivals = await side.topic.arrivals(side.rowOf);
    checkArrivals(arrivals, rows, version, side.name);
    this.add(side.name, { ...spanOf(arrivals), counted: rows, reading });
  }

  add(name: Side, round: Round): void {
    this.#rig.say(`${name}: ${Math.round(round.perSecond)}/s, ${Math.round(round.reading.rssMB)} MB`);
    this.#rounds.set(name, [...(this.#rounds.get(name) ?? []), round]);
  }

  outcomeOf(name: Side): Outcome {
    const rounds = this.#rounds.get(name) ?? [];
    // Each round counts by its time, so that a slow one is not made up for by a quick one.
    const [events, seconds] = rounds.reduce(
      ([all, sum], each) => [all + each.perSecond * each.seconds, sum + each.seconds],
      [0, 0],
    );
    return { perSecond: events / seconds, rssMB: Math.max(...rounds.map(({ reading }) => reading.rssMB)), rounds };
  }
}

/** Ours beside the rival's, of which it has to reach so many times. */
export function contestResult(scenario: string, unit: string, ours: Outcome, rival: Outcome, timesWanted: number): Result {
  return {
    scenario,
    value: ours.perSecond,
    unit,
    wanted: { atLeast: timesWanted * rival.perSecond },
    baseline: rival.perSecond,
    ratio: ours.perSecond / rival.perSecond,
    rssMB: ours.rssMB,
    notes: {
      'by round': roundsNote(ours),
      'CPU s/100k': totalCpuNote(ours),
      'Debezium by round': roundsNote(rival),
      'Debezium CPU s/100k': totalCpuNote(rival),
      'Debezium RSS MB': Math.round(rival.rssMB),
      'cores busy for others': strangersNote(ours, rival),
    },
  };
}

function roundsNote({ rounds }: Outcome): string {
  return rounds.map(({ perSecond }) => Math.round(perSecond)).join(', ');
}

function totalCpuNote({ rounds }: Outcome): string {
  const cpuSeconds: Record<string, number> = {};
  for (const { reading } of rounds) {
    for (const [name, seconds] of Object.entries(reading.cpuSeconds)) cpuSeconds[name] = (cpuSeconds[name] ?? 0) + seconds;
  }
  return cpuNote(
    cpuSeconds,
    rounds.reduce((sum, { counted }) => sum + counted, 0),
  );
}

function strangersNote(...outcomes: readonly Outcome[]): string {
  return outcomes.map(({ rounds }) => rounds.map(({ reading }) => reading.strangersCores.toFixed(2)).join(', ')).join(' | ');
}
