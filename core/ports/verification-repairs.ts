import type { Checksum, EntityId } from '../change-event.ts';
import type { FindingKind, Subject, Suspect } from '../verify/finding.ts';
import type { RepairAction, RepairOutcome } from '../verify/repair-plan.ts';
import type { TargetState } from './target-store.ts';
import type { PartName } from './verification-ledger.ts';

export interface RepairRun {
  readonly id: string;
  readonly token: number;
  readonly verificationId: string;
  readonly dryRun: boolean;
  readonly deleteUnknown: boolean;
  readonly settleMs: number;
}

export interface RepairItem extends Subject, PartName {
  readonly finding: FindingKind;
  readonly fields: readonly string[];
  readonly action: RepairAction;
  readonly outcome: RepairOutcome;
  readonly reason: string | null;
}

export interface RepairLedger {
  takeUp(): Promise<RepairRun | null>;
  /** What was found and has no item yet, part by part. */
  unplanned(run: RepairRun, limit: number): Promise<readonly (Suspect & PartName)[]>;
  /** False: it is another process's now. */
  plan(run: RepairRun, items: readonly RepairItem[]): Promise<boolean>;
  items(run: RepairRun, outcome: RepairOutcome, limit: number): Promise<readonly RepairItem[]>;
  settle(run: RepairRun, items: readonly RepairItem[]): Promise<boolean>;
  end(run: RepairRun, state: 'done' | 'failed', reason: string | null): Promise<void>;
}

/** What we believe of a target that is no source: it decides what its worker writes, and on which condition. */
export interface TargetBeliefs {
  /**
   * From now on we believe to have found this, and not to have written what was meant: what is meant is written again. Nothing
   * happens where the belief has changed since `before` was read.
   */
  found(target: string, entityId: EntityId, before: TargetState, checksum: Checksum | null): Promise<void>;
}
