import { isSyncError, reasonOf } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Logger } from '../core/ports/logger.ts';
import type {
  KeptSuspect,
  PartName,
  VerificationLedger,
  VerificationPart,
  VerificationRun,
} from '../core/ports/verification-ledger.ts';
import type { VerificationPassage } from '../core/ports/verification-passage.ts';
import { isSuspect } from '../core/verify/finding.ts';
import { conclusionOf, roundsMax } from '../core/verify/suspicion.ts';
import type { Comparison } from './verifier-part.ts';

export interface VerifierDeps {
  readonly ledger: VerificationLedger;
  readonly passage: VerificationPassage;
  /** In the order in which they are looked at; a reason instead where the system cannot be asked. */
  readonly comparisons: ReadonlyMap<PartName, Comparison | string>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly recordsPerSecondMax: number;
}

export const findingsMax = 10_000;
const chunkRecords = 500;
const suspectsAtOnce = 200;

/** It belongs to another process, or was cancelled: what is done from here on is kept nowhere. */
class RunLost extends Error {}

/**
 * Works a verification off, part by part and chunk by chunk, each kept before the next is begun: whoever takes it up after a
 * crash goes on there. Half of the time belongs to the stream.
 */
export class Verifier {
  readonly #deps: VerifierDeps;

  constructor(deps: VerifierDeps) {
    this.#deps = deps;
  }

  /** False where there was nothing to do, or what was done is another's now. */
  async work(signal: AbortSignal): Promise<boolean> {
    const { ledger, comparisons } = this.#deps;
    const run = await ledger.takeUp();
    if (run === null) return false;
    const wanted = [...comparisons.keys()].filter((part) => isAsked(run, part));
    try {
      for (const part of await ledger.parts(run, wanted)) {
        if (part.state !== 'waiting' && part.state !== 'running') continue;
        await this.#verify(run, part, signal);
        if (signal.aborted) return true;
      }
      await ledger.end(run);
    } catch (error) {
      if (!(error instanceof RunLost)) throw error;
      await ledger.end(run);
      return false;
    }
    return true;
  }

  async #verify(run: VerificationRun, part: VerificationPart, signal: AbortSignal): Promise<void> {
    const { ledger, logger } = this.#deps;
    const comparison = this.#comparisonOf(part);
    if (typeof comparison === 'string') return ledger.endPart(run, part, 'unreadable', comparison);
    try {
      if (!(await ledger.begin(run, part))) throw new RunLost();
      await comparison.open();
      const whole = await this.#read(run, part, comparison, signal);
      if (signal.aborted) return;
      await this.#settle(run, part, comparison, signal);
      if (signal.aborted) return;
      const reason = whole ? null : `there is more than ${findingsMax} that differs: the rest was not looked at`;
      await ledger.endPart(run, part, 'equal', reason);
    } catch (error) {
      // The tables are out, or the process ends: the run waits for whoever takes it up next.
      if (error instanceof RunLost || signal.aborted || (isSyncError(error) && error.code === 'postgres.unavailable'))
        throw error;
      logger.warn(`${part.system} could not be verified: ${reasonOf(error)}`, { system: part.system, kind: part.kind });
      await ledger.endPart(run, part, 'failed', reasonOf(error));
    }
  }

  #comparisonOf({ system, kind }: PartName): Comparison | string {
    for (const [part, comparison] of this.#deps.comparisons) {
      if (part.system === system && part.kind === kind) return comparison;
    }
    return 'it is not configured any more';
  }

  /** False where too much differs to go on. */
  async #read(run: VerificationRun, part: VerificationPart, comparison: Comparison, signal: AbortSignal): Promise<boolean> {
    const { ledger, clock } = this.#deps;
    const begun = part.pass === null ? 0 : comparison.passes.indexOf(part.pass);
    let after: JsonObject | null = part.after;
    // The last pass was over when the process before ended.
    if (part.pass === finished) return part.findings < findingsMax;
    for (const [index, pass] of comparison.passes.entries()) {
      if (index < begun) continue;
      for (let more = true; more; ) {
        if (signal.aborted) return true;
        const startedMs = clock.nowMs();
        const { records, sightings, next } = await comparison.chunk(pass, after, chunkRecords);
        after = next;
        more = next !== null;
        const suspects = sightings.filter(isSuspect);
        const reached = more ? pass : (comparison.passes[index + 1] ?? finished);
        const kept = await ledger.keep(run, part, { pass: reached, after: next, records, suspects, certain: comparison.certain });
        if (kept === null) throw new RunLost();
        if (kept >= findingsMax) return false;
        const leastMs = (records / this.#deps.recordsPerSecondMax) * 1_000;
        await clock.sleep(Math.max(clock.nowMs() - startedMs, leastMs), signal);
      }
    }
    return true;
  }

  /** Looks again at what may have been a change on its way, after it must have come through. */
  async #settle(run: VerificationRun, part: PartName, comparison: Comparison, signal: AbortSignal): Promise<void> {
    const { ledger, clock, passage } = this.#deps;
    for (let round = 0; round < roundsMax; round++) {
      let suspects = await ledger.suspects(run, part, round, suspectsAtOnce);
      if (suspects.length === 0) continue;
      const sinceMs = clock.nowMs();
      await clock.sleep(run.settleMs + comparison.toldAfterMs, signal);
      const told = await comparison.isToldSince(sinceMs, signal);
      const passed = told && (await passage.passed(part.kind, comparison.target, signal));
      while (suspects.length > 0) {
        if (signal.aborted) return;
        await this.#lookAgain(run, part, comparison, suspects, passed);
        suspects = await ledger.suspects(run, part, round, suspectsAtOnce);
      }
    }
  }

  async #lookAgain(
    run: VerificationRun,
    part: PartName,
    comparison: Comparison,
    suspects: readonly KeptSuspect[],
    passed: boolean,
  ): Promise<void> {
    const sightings = await comparison.again(suspects);
    const concluded = suspects.map((suspect, at) => {
      const now = sightings[at]!;
      return { subject: suspect, now, conclusion: conclusionOf(suspect, now, passed) };
    });
    if (!(await this.#deps.ledger.conclude(run, part, concluded))) throw new RunLost();
  }
}

/** Stands for the pass of a part of which everything was read. */
const finished = 'settling';

function isAsked({ systems, kinds }: VerificationRun, part: PartName): boolean {
  const asked = systems.length === 0 || systems.includes(part.system);
  return asked && (kinds.length === 0 || kinds.includes(part.kind) || part.kind === everyKind);
}

/** The kind of what is looked at for all kinds at once. */
export const everyKind = '*';
