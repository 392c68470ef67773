import { reasonOf } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { ReadStore, RoleView } from '../core/ports/read-store.ts';

/** Something that must work for Syncline to do its work. */
export interface ReadinessCheck {
  readonly part: string;
  /** Rejects with the reason while it does not. Told by the signal when nobody waits any more. */
  check(signal: AbortSignal): Promise<void>;
}

export interface NotReady {
  readonly part: string;
  readonly reason: string;
}

export interface Readiness {
  /** Empty when everything is. Never rejects, and answers within `checkMsMax`. */
  notReady(): Promise<readonly NotReady[]>;
}

const checkMsMax = 2_000;
/** Whoever asks more often gets the same answer. */
const freshMs = 500;
/** A role says every second that it is there. */
const reportAgeMsMax = 10_000;

export function createReadiness(checks: readonly ReadinessCheck[], clock: Clock): Readiness {
  let last: { readonly atMs: number; readonly answer: Promise<readonly NotReady[]> } | undefined;
  return {
    notReady() {
      const nowMs = clock.nowMs();
      if (last === undefined || nowMs - last.atMs > freshMs) last = { atMs: nowMs, answer: runAll(checks, clock) };
      return last.answer;
    },
  };
}

export function isAlive(report: RoleView): boolean {
  return report.state === 'running' && report.ageMs <= reportAgeMsMax;
}

/** What a process says of how often it reports; one that does not say so is of this version's rhythm. */
const reportEveryMsDefault = 1_000;
const reportsMissed = 3;

/** Null for a process that reports as it should, and for one that has said that it ends. */
export function silentForMs({ state, ageMs, details }: RoleView): number | null {
  if (state === 'stopped' || state === 'failed') return null;
  const everyMs = typeof details.reportEveryMs === 'number' ? details.reportEveryMs : reportEveryMsDefault;
  return ageMs > everyMs * reportsMissed ? Math.round(ageMs) : null;
}

/** Each role must have one process at least that says it runs. */
export function roleChecks(store: ReadStore, roles: readonly string[]): ReadinessCheck[] {
  return roles.map((role) => ({
    part: `role ${role}`,
    async check() {
      const reports = (await store.roleReports()).filter((report) => report.role === role);
      if (reports.some(isAlive)) return;
      const latest = reports.toSorted((left, right) => left.ageMs - right.ageMs)[0];
      throw new Error(
        latest === undefined ? 'has not reported yet' : `last said "${latest.state}" ${Math.round(latest.ageMs / 1_000)} s ago`,
      );
    },
  }));
}

async function runAll(checks: readonly ReadinessCheck[], clock: Clock): Promise<readonly NotReady[]> {
  const stop = new AbortController();
  const results = await Promise.all(checks.map((check) => runOne(check, clock, stop.signal)));
  stop.abort(new Error('the checks are over'));
  return results.filter((result) => result !== null);
}

async function runOne({ part, check }: ReadinessCheck, clock: Clock, signal: AbortSignal): Promise<NotReady | null> {
  const late = clock.sleep(checkMsMax, signal).then(
    () => `does not answer within ${checkMsMax} ms`,
    () => 'was not waited for',
  );
  const reason = await Promise.race([check(signal).then(() => null, reasonOf), late]);
  return reason === null ? null : { part, reason };
}
