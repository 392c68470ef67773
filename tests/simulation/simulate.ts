import { BindingRows } from '../../adapters/memory/identity-store.ts';
import { unreachable } from '../../core/errors.ts';
import { findViolations } from './checker.ts';
import { Random } from './random.ts';
import type { Actor } from './scheduler.ts';
import { dataOfFingerprint, type Stages, workerFactory } from './stages.ts';
import { manners, planSource, refusedValues, type SourceManner, skus, unprocessableValues } from './workload.ts';
import { World } from './world.ts';

export interface SimulationOptions {
  readonly stages: Stages;
  readonly seed: number;
  readonly prepare?: ((world: World) => void) | undefined;
  readonly trace?: (line: string) => void;
  /** The run stops making trouble after so many steps. */
  readonly faultStepsMax?: number;
}

export interface SimulationResult {
  readonly seed: number;
  readonly steps: number;
  readonly violations: readonly string[];
}

/** How often what goes wrong in this run; some things never do, so that others are not hidden by them. */
interface FaultPlan {
  readonly crash: number;
  readonly move: number;
  readonly zombie: number;
  readonly rebalance: number;
  readonly pause: number;
  readonly failure: number;
  readonly cache: number;
  readonly orphan: number;
  readonly tell: number;
  /** How soon somebody mends the database, and how often a dead letter is tried again. */
  readonly mend: number;
  readonly replay: number;
  /** How often somebody moves a record or merges two entities. */
  readonly order: number;
  /** Where a process stands still, or fails to get an answer; undefined: anywhere. */
  readonly focus: string | undefined;
}

const restStepsMax = 20_000;

/** One seed, one history: from the first change to rest, then the check. */
export async function simulate({
  stages,
  seed,
  prepare,
  trace,
  faultStepsMax = 2_500,
}: SimulationOptions): Promise<SimulationResult> {
  const random = new Random(seed);
  const theme = random.pick(themes);
  const world = worldOf(random, theme, stages, trace);
  prepare?.(world);
  const { scheduler } = world;
  const faults = faultPlanOf(random, theme);
  // A source that seldom sends leaves the stages alone with what they hold.
  const sendChance = random.pick(theme === 'everything' ? [0.03, 0.12] : [0, 0, 0.03]);

  while (scheduler.step < faultStepsMax && (world.hasUnsent() || scheduler.hasPending() || world.deliverables().length > 0)) {
    scheduler.step++;
    makeTrouble(world, faults);
    if (!goOn(world, faults, sendChance)) {
      await macrotask();
      if (world.hasUnsent()) world.sendNext();
    }
    await microtasks();
  }
  const steps = scheduler.step;
  const rested = await comeToRest(world);
  const violations = rested ? findViolations(world) : ['the system does not come to rest', ...findViolations(world)];
  return { seed, steps, violations };
}

async function comeToRest(world: World): Promise<boolean> {
  const { scheduler } = world;
  while (world.hasUnsent()) world.sendNext();
  world.endFaults();
  const end = scheduler.step + restStepsMax;
  while (scheduler.step < end) {
    scheduler.step++;
    if (!goOn(world, peace, 0)) {
      await macrotask();
      if (!isAtRest(world)) continue;
      world.misconfigured = false;
      if (!world.replayOne() && !world.rescueAll()) return true;
    }
    await microtasks();
  }
  return false;
}

function isAtRest(world: World): boolean {
  const busy = world.processes().some((process) => process.isBusy());
  return !busy && !world.scheduler.hasPending() && world.deliverables().length === 0;
}

function worldOf(random: Random, theme: Theme, stages: Stages, trace?: (line: string) => void): World {
  const narrow = theme !== 'everything';
  const refusing = theme === 'dead letters';
  const mannersHere: readonly SourceManner[] = narrow ? ['once', 'once', 'with rewinds', 'late repeats', 'retries'] : manners;
  const manner = random.pick(
    refusing ? (['once', 'late repeats', 'late repeats', 'late repeats', 'retries'] as const) : mannersHere,
  );
  const keys = ['k1', 'k2', 'k3', 'k4'].slice(0, refusing ? 1 : narrow ? random.pick([1, 1, 2]) : random.between(1, 4));
  const values = ['A', 'B', 'C'].slice(0, refusing ? 1 : narrow ? 2 : 3);
  const matching = random.chance(0.25);
  const sources = matching || (!refusing && random.chance(narrow ? 0.1 : 0.4)) ? ['shop', 'erp'] : ['shop'];
  // What ends soon shows how it ended: a later change of the key heals what came before.
  const [least, most] = refusing ? [3, 8] : [20, 50];
  const changes = Math.ceil(random.between(least, most) / sources.length);
  const refusedChance = refusing ? 0.4 : random.chance(narrow ? 0.1 : 0.4) ? 0.08 : 0;
  const odds = narrow ? { equalChance: refusing ? 0.05 : 0.35, deleteChance: 0.04 } : { equalChance: 0.2, deleteChance: 0.12 };
  const deadValues = random.pick([refusedValues, refusedValues, refusedValues, unprocessableValues]);
  const repeatChance = refusing ? 0.6 : 0.2;
  const workload = {
    changes,
    ...odds,
    keys,
    values,
    manner,
    refusedChance,
    deadValues,
    repeatChance,
    poison: random.chance(narrow ? 0.2 : 0.6),
    skus: matching ? skus : [],
  };
  const plans = sources.map((source) => planSource(random, source, workload));
  const claimAheadRecords = random.pick([0, 0, 3, 10]);
  const configurations = random.chance(0.1) ? 2 : 1;
  const installation = { sources, manner, matching, claimAheadRecords, configurations };
  const bindings = new (stages.BindingRows ?? BindingRows)();
  return new World(random, plans, workerFactory(stages, installation), dataOfFingerprint, { bindings, matching }, trace);
}

/** What goes wrong in a run. Where everything does, what was held is seldom held for long; so some runs have one trouble only. */
const themes = [
  'everything',
  'everything',
  'crashes',
  'zombies',
  'zombies',
  'zombies',
  'outages',
  'cache',
  'cache',
  'dead letters',
  'dead letters',
  'dead letters',
] as const;
type Theme = (typeof themes)[number];

const peace: FaultPlan = {
  crash: 0,
  move: 0,
  zombie: 0,
  rebalance: 0,
  pause: 0,
  failure: 0,
  cache: 0,
  orphan: 0.05,
  tell: 0.05,
  mend: 0.002,
  replay: 0.01,
  order: 0.01,
  focus: undefined,
};

function faultPlanOf(random: Random, theme: Theme): FaultPlan {
  const often = (least: number, most: number) => least + random.fraction() * (most - least);
  const perhaps = (least: number, most: number) => (random.chance(0.5) ? often(least, most) : 0);
  const focus = random.pick(['cache.write', 'cache.write', 'cache.write', 'log.append', 'store.commit', undefined]);
  const rarely = focus === undefined ? 0.15 : 1;
  switch (theme) {
    case 'everything':
      return {
        crash: perhaps(0.003, 0.03),
        move: perhaps(0.003, 0.03),
        zombie: perhaps(0.01, 0.05),
        rebalance: perhaps(0.002, 0.02),
        pause: perhaps(0.005, 0.04),
        failure: perhaps(0.005, 0.05),
        cache: perhaps(0.01, 0.06),
        orphan: 0.05,
        tell: random.pick([0.01, 0.05]),
        mend: peace.mend,
        replay: peace.replay,
        order: perhaps(0.002, 0.02),
        focus: undefined,
      };
    case 'crashes':
      return { ...peace, crash: often(0.003, 0.04), cache: perhaps(0.005, 0.02) };
    case 'zombies':
      return {
        ...peace,
        focus,
        zombie: rarely * often(0.05, 0.25),
        failure: rarely * perhaps(0.1, 0.4),
        tell: random.pick([0.005, 0.05]),
      };
    case 'outages':
      return { ...peace, focus, failure: rarely * often(0.03, 0.2), move: often(0.003, 0.02) };
    case 'cache':
      return { ...peace, cache: often(0.01, 0.05), failure: perhaps(0.002, 0.01), move: perhaps(0.002, 0.01) };
    case 'dead letters':
      return {
        ...peace,
        mend: perhaps(0.001, 0.01),
        replay: often(0.002, 0.03),
        crash: perhaps(0.002, 0.01),
        cache: perhaps(0.002, 0.02),
      };
    default:
      return unreachable(theme);
  }
}

function makeTrouble(world: World, faults: FaultPlan): void {
  const { random, scheduler } = world;
  if (random.chance(faults.crash)) world.crashOne();
  if (random.chance(faults.move)) world.moveOne();
  if (random.chance(faults.rebalance)) world.rebalanceOne();
  if (random.chance(faults.pause)) world.pauseOne();
  if (random.chance(faults.cache)) world.disturbCache();
  if (scheduler.hasOrphans() && random.chance(faults.orphan)) scheduler.landOrphan();
  if (random.chance(faults.tell)) world.tellOne();
  if (random.chance(faults.replay)) world.replayOne();
  if (random.chance(faults.mend)) world.mend();
  if (random.chance(0.01)) world.rescueOne();
  if (world.matching && random.chance(faults.order)) world.orderOne();
}

/** One step of the world that is no fault. False when there was nothing to do. */
function goOn(world: World, faults: FaultPlan, sendChance: number): boolean {
  const { random, scheduler } = world;
  const choice = random.fraction();
  if (choice < sendChance && world.hasUnsent()) {
    world.sendNext();
    return true;
  }
  if (choice < 0.35) {
    const deliverables = world.deliverables();
    if (deliverables.length > 0) {
      const { process, ref } = random.pick(deliverables);
      process.deliver(ref, random);
      return true;
    }
  }
  const inFocus = (operation: string) => faults.focus === undefined || faults.focus === operation;
  const fails = (operation: string) => faults.failure > 0 && inFocus(operation) && random.chance(faults.failure);
  const stopsHere = (actor: Actor, operation: string) => {
    if (faults.cache > 0 && operation === 'cache.write') world.saveCache();
    return faults.zombie > 0 && inFocus(operation) && random.chance(faults.zombie) && world.makeZombie(actor);
  };
  if (scheduler.advance(fails, stopsHere)) return true;
  const deliverables = world.deliverables();
  if (deliverables.length === 0) return false;
  const { process, ref } = random.pick(deliverables);
  process.deliver(ref, random);
  return true;
}

/** Lets the code under test go on to its next operations. What it has not reached then is reached a step later. */
async function microtasks(): Promise<void> {
  for (let tick = 0; tick < 6; tick++) await undefined;
}

/** Until nothing goes on by itself any more. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
