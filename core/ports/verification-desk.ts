import type { FindingKind } from '../verify/finding.ts';
import type { RepairAction, RepairOutcome } from '../verify/repair-plan.ts';
import type { Page, PageRequest } from './read-store.ts';
import type { PartState } from './verification-ledger.ts';

export const verificationStates = ['waiting', 'running', 'equal', 'differs', 'failed', 'cancelled'] as const;
export type VerificationState = (typeof verificationStates)[number];

export interface VerificationView {
  readonly id: string;
  readonly state: VerificationState;
  /** Empty: all. */
  readonly systems: readonly string[];
  readonly kinds: readonly string[];
  readonly settleMs: number;
  readonly askedBy: string;
  readonly records: number;
  readonly findings: number;
  readonly moving: number;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

export interface PartView {
  readonly system: string;
  readonly kind: string;
  readonly state: PartState;
  readonly records: number;
  /** While it runs also what may turn out to be a change on its way. */
  readonly findings: number;
  readonly moving: number;
  readonly reason: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

export const findingStates = ['suspected', 'found', 'moving'] as const;

export interface FindingView {
  readonly seq: number;
  readonly system: string;
  readonly kind: string;
  readonly state: (typeof findingStates)[number];
  readonly finding: FindingKind;
  readonly entityId: string | null;
  readonly key: string | null;
  readonly fields: readonly string[];
  readonly reason: string | null;
  readonly seenAt: string;
}

/** What was found of one kind at one system when it was verified last, and since when nothing can have gone wrong unnoticed. */
export interface VerifiedThrough {
  readonly system: string;
  readonly kind: string;
  /** Null: it was never found equal. */
  readonly through: string | null;
  readonly findings: number;
  readonly moving: number;
  readonly checkedAt: string;
}

export const repairStates = ['waiting', 'running', 'done', 'failed'] as const;

export interface RepairView {
  readonly id: string;
  readonly verificationId: string;
  readonly state: (typeof repairStates)[number];
  readonly dryRun: boolean;
  readonly deleteUnknown: boolean;
  readonly askedBy: string;
  readonly reason: string | null;
  /** How many of its items ended, or stand, how. */
  readonly outcomes: Readonly<Record<RepairOutcome, number>>;
  readonly createdAt: string;
  readonly endedAt: string | null;
}

export interface RepairItemView {
  readonly seq: number;
  readonly system: string;
  readonly kind: string;
  readonly entityId: string | null;
  readonly key: string | null;
  readonly finding: FindingKind;
  readonly fields: readonly string[];
  readonly action: RepairAction;
  readonly outcome: RepairOutcome;
  readonly reason: string | null;
}

export interface FindingFilter {
  readonly system?: string | undefined;
  readonly kind?: string | undefined;
  readonly finding?: FindingKind | undefined;
  readonly state?: (typeof findingStates)[number] | undefined;
}

export interface NewVerification {
  readonly systems: readonly string[];
  readonly kinds: readonly string[];
  readonly settleMs: number;
  readonly askedBy: string;
}

export interface NewRepair {
  readonly verificationId: string;
  readonly dryRun: boolean;
  readonly deleteUnknown: boolean;
  readonly askedBy: string;
}

/** What a person does about verifications and repairs. */
export interface VerificationDesk {
  /** Null where too many wait already. */
  request(asked: NewVerification): Promise<string | null>;
  list(page: PageRequest): Promise<Page<VerificationView>>;
  show(id: string): Promise<{ readonly verification: VerificationView; readonly parts: readonly PartView[] } | null>;
  /** The last one that ended with findings or without; null where there is none. */
  latest(): Promise<string | null>;
  findings(id: string, filter: FindingFilter, page: PageRequest): Promise<Page<FindingView>>;
  /** False where it is not there, or has ended. */
  cancel(id: string, by: string): Promise<boolean>;
  through(): Promise<readonly VerifiedThrough[]>;
  /** Null where too many wait already. */
  requestRepair(asked: NewRepair): Promise<string | null>;
  repairs(page: PageRequest): Promise<Page<RepairView>>;
  repair(id: string): Promise<RepairView | null>;
  repairItems(id: string, page: PageRequest): Promise<Page<RepairItemView>>;
}
