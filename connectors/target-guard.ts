import type { GuardRules } from '../core/config/targets.ts';
import type { GuardState } from '../core/ports/target-store.ts';

export interface PlannedCounts {
  readonly changed: number;
  readonly deleted: number;
}

/** Why these writes have to wait for a person, or undefined where they need not. */
export function objectionOf(rules: GuardRules, guard: GuardState, planned: PlannedCounts, nowMs: number): string | undefined {
  if (guard.approvedUntilMs !== null && nowMs < guard.approvedUntilMs) return undefined;
  if (guard.state === 'paused') return guard.reason ?? 'it was paused';
  if (rules.approveFirst && guard.approvedUntilMs === null) return 'its first write waits for an approval (`guard.approveFirst`)';
  const inWindow = nowMs - guard.windowFromMs < rules.windowMs;
  const deleted = planned.deleted + (inWindow ? guard.deleted : 0);
  const changed = planned.changed + (inWindow ? guard.changed : 0);
  // What was deleted within the window was there when it began.
  const there = guard.known + (inWindow ? guard.deleted : 0);
  if (exceeds(deleted, there, rules.deletedMax, rules.atLeast)) {
    return `${deleted} of ${there} records would be deleted, more than ${percent(rules.deletedMax)} (\`guard.deletedMax\`)`;
  }
  if (exceeds(changed, there, rules.changedMax, rules.atLeast)) {
    return `${changed} of ${there} records would be changed, more than ${percent(rules.changedMax)} (\`guard.changedMax\`)`;
  }
  return undefined;
}

/** A share of 1 allows everything: records may change more than once. */
function exceeds(count: number, there: number, shareMax: number, atLeast: number): boolean {
  return shareMax < 1 && count >= atLeast && count > there * shareMax;
}

function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10} %`;
}
