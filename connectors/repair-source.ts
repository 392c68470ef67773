import { isSyncError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { OutgoingRecord } from '../core/ports/event-log.ts';
import type { ProducerPool } from '../core/producer-pool.ts';
import type { Subject, Suspect } from '../core/verify/finding.ts';
import type { RepairAction } from '../core/verify/repair-plan.ts';
import type { PlannedRepair, Repairing } from './repair-system.ts';
import { foundMessages } from './target-notices.ts';
import type { BackRoute } from './target-plan.ts';
import { neverTold } from './verifier-record.ts';
import type { RecordLook, SystemComparison } from './verifier-system.ts';

export interface SourceRepairDeps {
  readonly source: string;
  readonly kind: string;
  readonly comparison: Pick<SystemComparison, 'look'>;
  readonly back: BackRoute;
  readonly producers: ProducerPool;
  readonly clock: Clock;
}

/** A source that is only read is always right about what it holds: what stands there now is told again. */
export class SourceRepair implements Repairing {
  readonly #deps: SourceRepairDeps;

  constructor(deps: SourceRepairDeps) {
    this.#deps = deps;
  }

  async plan(suspects: readonly Suspect[]): Promise<readonly PlannedRepair[]> {
    return suspects.map((suspect) => {
      const reason = hindranceOf(suspect);
      return reason === null ? { action: 'tell', reason } : { action: 'none', reason };
    });
  }

  async act(action: RepairAction, subjects: readonly Subject[]): Promise<void> {
    if (action !== 'tell') return;
    const { comparison, producers } = this.#deps;
    await producers.send((await comparison.look(subjects)).flatMap((look) => this.#messages(look)));
  }

  #messages({ view, key, row }: RecordLook): OutgoingRecord[] {
    const { source, kind, back, clock } = this.#deps;
    if (key === null) return [];
    try {
      return foundMessages({ target: source, kind }, back, { own: view?.own ?? null }, key, row, clock.nowMs());
    } catch (error) {
      // Larger or deeper than a record may be: it stays as different as it was, and the others are told.
      if (isSyncError(error) && error.code.startsWith('record.')) return [];
      throw error;
    }
  }
}

/** What keeps a row from being told or mapped is said with it; told once more it would be one more dead letter. */
function hindranceOf({ finding: { reason } }: Suspect): string | null {
  return reason === neverTold ? null : reason;
}
