import type { JsonObject } from '../json.ts';
import type { Sighting, Subject, Suspect } from '../verify/finding.ts';
import type { Conclusion } from '../verify/suspicion.ts';

/** A verification that this process works on. Another process that takes it up gets a higher token. */
export interface VerificationRun {
  readonly id: string;
  readonly token: number;
  /** Empty: all. */
  readonly systems: readonly string[];
  readonly kinds: readonly string[];
  readonly settleMs: number;
}

export interface PartName {
  readonly system: string;
  readonly kind: string;
}

export type PartEnd = 'equal' | 'differs' | 'unreadable' | 'failed' | 'cancelled';
export type PartState = 'waiting' | 'running' | PartEnd;

export interface VerificationPart extends PartName {
  readonly state: PartState;
  readonly pass: string | null;
  readonly after: JsonObject | null;
  readonly findings: number;
  readonly moving: number;
}

/** What one chunk brought. */
export interface ChunkOutcome {
  readonly pass: string;
  readonly after: JsonObject | null;
  readonly records: number;
  readonly suspects: readonly Suspect[];
  /** Whether the suspects need no second look. */
  readonly certain: boolean;
}

export interface KeptSuspect extends Suspect {
  readonly round: number;
}

export interface Concluded {
  readonly subject: Subject;
  readonly now: Sighting;
  readonly conclusion: Conclusion;
}

/** The work in hand. Whatever is kept is kept under the run's token; false or null means that it is another process's now, or cancelled. */
export interface VerificationLedger {
  /** The oldest that is not finished; null where there is none. */
  takeUp(): Promise<VerificationRun | null>;
  /** Makes the parts where there are none yet. In their order. */
  parts(run: VerificationRun, names: readonly PartName[]): Promise<readonly VerificationPart[]>;
  begin(run: VerificationRun, part: PartName): Promise<boolean>;
  /** One transaction. How many the part has found or suspects by now; null where the run is not ours any more. */
  keep(run: VerificationRun, part: PartName, chunk: ChunkOutcome): Promise<number | null>;
  suspects(run: VerificationRun, part: PartName, round: number, limit: number): Promise<readonly KeptSuspect[]>;
  conclude(run: VerificationRun, part: PartName, concluded: readonly Concluded[]): Promise<boolean>;
  endPart(run: VerificationRun, part: PartName, state: PartEnd, reason: string | null): Promise<void>;
  /** As its parts ended. */
  end(run: VerificationRun): Promise<void>;
}
