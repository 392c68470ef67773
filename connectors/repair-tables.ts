import type { EntityId } from '../core/change-event.ts';
import type { Subject, Suspect } from '../core/verify/finding.ts';
import type { RepairAction } from '../core/verify/repair-plan.ts';
import { remedyOf } from '../core/verify/table-consistency.ts';
import type { PlannedRepair, Repairing } from './repair-system.ts';

export interface TableRemedies {
  compareAnew(): Promise<void>;
  mergeAnew(entityIds: readonly EntityId[]): Promise<void>;
}

/** The tables are the pipeline's own: from here its stages are asked to do their part again, and nothing is written into them. */
export class TableRepair implements Repairing {
  readonly #remedies: TableRemedies | null;

  constructor(remedies: TableRemedies | null) {
    this.#remedies = remedies;
  }

  async plan(suspects: readonly Suspect[]): Promise<readonly PlannedRepair[]> {
    return suspects.map(({ finding: { reason } }) => {
      const action = reason === null || this.#remedies === null ? 'none' : remedyOf(reason);
      return action === 'none' ? { action, reason } : { action, reason: null };
    });
  }

  async act(action: RepairAction, subjects: readonly Subject[]): Promise<void> {
    if (action === 'compare') await this.#remedies?.compareAnew();
    if (action === 'remerge') await this.#remedies?.mergeAnew(subjects.flatMap(({ entityId }) => entityId ?? []));
  }
}
