import { isSyncError, reasonOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Logger } from '../core/ports/logger.ts';
import type { PartName } from '../core/ports/verification-ledger.ts';
import type { VerificationPassage } from '../core/ports/verification-passage.ts';
import type { RepairItem, RepairLedger, RepairRun } from '../core/ports/verification-repairs.ts';
import { isSuspect, type Suspect } from '../core/verify/finding.ts';
import type { Repairing } from './repair-system.ts';
import type { Comparison } from './verifier-part.ts';

export interface RepairPart {
  readonly comparison: Comparison;
  readonly repairing: Repairing;
}

export interface RepairerDeps {
  readonly ledger: RepairLedger;
  readonly passage: VerificationPassage;
  /** By `system/kind`. */
  readonly parts: ReadonlyMap<string, RepairPart>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const itemsAtOnce = 200;
/** So often it is looked whether what was begun has come about. */
const looksMax = 4;

class RunLost extends Error {}

/** Works a repair off: what to do is written down first, then done, then looked at. Each step may be repeated after a crash. */
export class Repairer {
  readonly #deps: RepairerDeps;

  constructor(deps: RepairerDeps) {
    this.#deps = deps;
  }

  /** False where there was nothing to do, or what was done is another's now. */
  async work(signal: AbortSignal): Promise<boolean> {
    const { ledger, logger } = this.#deps;
    const run = await ledger.takeUp();
    if (run === null) return false;
    try {
      await this.#plan(run, signal);
      if (!run.dryRun) await this.#act(run, signal);
      if (!run.dryRun) await this.#look(run, signal);
      if (!run.dryRun && !signal.aborted) await this.#lookAtLeft(run);
      if (!signal.aborted) await ledger.end(run, 'done', null);
    } catch (error) {
      if (error instanceof RunLost) return false;
      if (signal.aborted || (isSyncError(error) && error.code === 'postgres.unavailable')) throw error;
      logger.warn(`a repair ended: ${reasonOf(error)}`, { repair: run.id });
      await ledger.end(run, 'failed', reasonOf(error));
    }
    return true;
  }

  /** Everything is looked at anew: what was found may be equal by now. */
  async #plan(run: RepairRun, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#deps;
    while (!signal.aborted) {
      const found = await ledger.unplanned(run, itemsAtOnce);
      if (found.length === 0) return;
      for (const [name, suspects] of Map.groupBy(found, nameOf)) {
        const items = await this.#itemsOf(run, name, suspects);
        if (!(await ledger.plan(run, items))) throw new RunLost();
      }
    }
  }

  async #itemsOf(run: RepairRun, name: string, suspects: readonly (Suspect & PartName)[]): Promise<RepairItem[]> {
    const part = this.#deps.parts.get(name);
    const items: RepairItem[] = suspects.map((suspect) => itemOf(suspect, suspect));
    if (part === undefined) return items.map((item) => left(item, 'its system is not configured any more'));
    await part.comparison.open();
    const now = await part.comparison.again(suspects);
    const still = suspects.flatMap((suspect, at) => {
      const seen = { ...now[at]!, key: suspect.key };
      return isSuspect(seen) ? [{ at, seen }] : [];
    });
    const planned = await part.repairing.plan(
      still.map(({ seen }) => seen),
      run.deleteUnknown,
    );
    const actions = new Map(still.map(({ at, seen }, index) => [at, { seen, ...planned[index]! }]));
    return items.map((item, at): RepairItem => {
      const action = actions.get(at);
      if (action === undefined) return { ...item, outcome: 'equal', reason: 'it is equal by now' };
      const seen = itemOf(action.seen, item);
      return action.action === 'none' ? left(seen, action.reason) : { ...seen, action: action.action };
    });
  }

  async #act(run: RepairRun, signal: AbortSignal): Promise<void> {
    const { ledger } = this.#deps;
    while (!signal.aborted) {
      const items = await ledger.items(run, 'planned', itemsAtOnce);
      if (items.length === 0) return;
      for (const ofAction of Map.groupBy(items, (item) => `${nameOf(item)} ${item.action}`).values()) {
        const [first] = ofAction;
        const part = this.#deps.parts.get(nameOf(first!));
        if (part !== undefined) {
          await part.comparison.open();
          await part.repairing.act(first!.action, ofAction);
        }
        const begun = ofAction.map((item): RepairItem => ({ ...item, outcome: 'begun' }));
        if (!(await ledger.settle(run, begun))) throw new RunLost();
      }
    }
  }

  async #look(run: RepairRun, signal: AbortSignal): Promise<void> {
    const { ledger, clock, passage } = this.#deps;
    for (let look = 1; look <= looksMax && !signal.aborted; look++) {
      const names = new Map<string, PartName>();
      for (const item of await ledger.items(run, 'begun', allItems)) names.set(nameOf(item), item);
      if (names.size === 0) return;
      const late = [...names.keys()].map((name) => this.#lateMs(name));
      await clock.sleep(run.settleMs + Math.max(...late), signal);
      const passed = new Map<string, boolean>();
      for (const [name, { kind }] of names) {
        passed.set(name, await passage.passed(kind, this.#deps.parts.get(name)?.comparison.target ?? null, signal));
      }
      if (!signal.aborted) await this.#lookOnce(run, look === looksMax, passed);
    }
  }

  /** What was written is told when the system is looked at; of one that is only read we have told ourselves. */
  #lateMs(name: string): number {
    const comparison = this.#deps.parts.get(name)?.comparison;
    return comparison === undefined || comparison.target === null ? 0 : comparison.toldAfterMs;
  }

  async #lookOnce(run: RepairRun, last: boolean, passed: ReadonlyMap<string, boolean>): Promise<void> {
    const { ledger } = this.#deps;
    const begun = await ledger.items(run, 'begun', allItems);
    for (let from = 0; from < begun.length; from += itemsAtOnce) {
      for (const [name, items] of Map.groupBy(begun.slice(from, from + itemsAtOnce), nameOf)) {
        const now = (await this.#deps.parts.get(name)?.comparison.again(items)) ?? [];
        const settled = items.flatMap((item, at): RepairItem[] => {
          const finding = now[at]?.finding;
          if (finding === null) return [{ ...item, outcome: 'equal' }];
          if (!last) return [];
          const reason = passed.get(name)
            ? (finding?.reason ?? 'it still differs')
            : 'the pipeline stands still: see `syncline status`';
          return [{ ...item, outcome: 'differs', reason }];
        });
        if (!(await ledger.settle(run, settled))) throw new RunLost();
      }
    }
  }

  /** What nothing could be done about may be equal because of what was done about others. */
  async #lookAtLeft(run: RepairRun): Promise<void> {
    const { ledger, parts } = this.#deps;
    for (const [name, items] of Map.groupBy(await ledger.items(run, 'left', allItems), nameOf)) {
      const part = parts.get(name);
      for (let from = 0; part !== undefined && from < items.length; from += itemsAtOnce) {
        const some = items.slice(from, from + itemsAtOnce);
        const now = await part.comparison.again(some);
        const equal = some.filter((_item, at) => now[at]!.finding === null);
        const settled = equal.map(
          (item): RepairItem => ({ ...item, outcome: 'equal', reason: 'another repair brought it back' }),
        );
        if (!(await ledger.settle(run, settled))) throw new RunLost();
      }
    }
  }
}

/** As many as a verification keeps of all its parts. */
const allItems = 1_000_000;

function itemOf({ key, entityId, finding }: Suspect, { system, kind }: PartName): RepairItem {
  const { kind: of, fields, reason } = finding;
  return { system, kind, key, entityId, finding: of, fields, action: 'none', outcome: 'planned', reason };
}

function left(item: RepairItem, reason: string | null): RepairItem {
  return { ...item, action: 'none', outcome: 'left', reason };
}

function nameOf({ system, kind }: PartName): string {
  return `${system}/${kind}`;
}
