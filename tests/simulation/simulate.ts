import { findViolations } from './checker.ts';
import { Random } from './random.ts';
import { type Stages, workerFactory } from './stages.ts';
import { planSource, type SourceManner } from './workload.ts';
import { World } from './world.ts';

export interface SimulationOptions {
  readonly stages: Stages;
  readonly seed: number;
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
  readonly rebalance: number;
  readonly pause: number;
  readonly failure: number;
  readonly cache: number;
  readonly orphan: number;
  readonly tell: number;
}

const restStepsMax = 20_000;

/** One seed, one history: from the first change to rest, then the check. */
export async function simulate({ stages, seed, trace, faultStepsMax = 2_500 }: SimulationOptions): Promise<SimulationResult> {
  const random = new Random(seed);
  const world = worldOf(random, stages, trace);
  const { scheduler } = world;
  const faults = faultPlanOf(random);

  while (scheduler.step < faultStepsMax && (world.hasUnsent() || scheduler.hasPending() || world.deliverables().length > 0)) {
    scheduler.step++;
    makeTrouble(world, faults);
    if (!goOn(world, faults.failure)) await macrotask();
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
    if (!goOn(world, 0)) {
      await macrotask();
      if (isAtRest(world) && !world.replayOne()) return true;
    }
    await microtasks();
  }
  return false;
}

function isAtRest(world: World): boolean {
  const busy = world.processes().some((process) => process.isBusy());
  return !busy && !world.scheduler.hasPending() && world.deliverables().length === 0;
}

function worldOf(random: Random, stages: Stages, trace?: (line: string) => void): World {
  const manner: SourceManner = random.chance(0.8) ? 'in order' : 'any order';
  const changes = random.between(20, 50);
  const keys = ['k1', 'k2', 'k3', 'k4'].slice(0, random.between(1, 4));
  const workload = { changes, keys, manner, refusals: random.chance(0.3), poison: random.chance(0.5) };
  const sources = random.chance(0.3) ? ['shop', 'erp'] : ['shop'];
  const perSource = { ...workload, changes: Math.ceil(changes / sources.length) };
  const plans = sources.map((source) => planSource(random, source, perSource));
  const claimAheadRecords = random.pick([0, 0, 3, 10]);
  const configurations = random.chance(0.1) ? 2 : 1;
  return new World(random, plans, workerFactory(stages, { sources, manner, claimAheadRecords, configurations }), trace);
}

function faultPlanOf(random: Random): FaultPlan {
  const often = (least: number, most: number) => (random.chance(0.6) ? least + random.fraction() * (most - least) : 0);
  return {
    crash: often(0.005, 0.04),
    move: often(0.005, 0.05),
    rebalance: often(0.002, 0.02),
    pause: often(0.005, 0.05),
    failure: often(0.005, 0.05),
    cache: often(0.005, 0.05),
    orphan: 0.05,
    tell: 0.05,
  };
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
  if (random.chance(0.01)) world.replayOne();
}

/** One step of the world that is no fault. False when there was nothing to do. */
function goOn(world: World, failureChance: number): boolean {
  const { random, scheduler } = world;
  const choice = random.fraction();
  if (choice < 0.12 && world.hasUnsent()) {
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
  if (scheduler.advance(failureChance)) return true;
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
