import type { OrderRule, Ranking } from './policy.ts';
import { rankOf } from './policy.ts';
import { knowledgeAt, operatorSourceType, type Touch, type VoicedRow } from './voice.ts';

/** A touch of one source, with the row that holds it. */
export interface Candidate {
  readonly row: VoicedRow;
  readonly touch: Touch;
}

export function isFirstSight({ row, touch }: Candidate): boolean {
  return touch[0] <= row.voice.born;
}

/** Whether `later` was made by somebody who knew `earlier`. */
export function knew(later: Candidate, earlier: Candidate): boolean {
  // An operator's decision is thought to be known to whatever happens after it by the clock, and knows nothing of that.
  if (later.row.sourceType === operatorSourceType && earlier.touch[1] > later.touch[1]) return false;
  if (earlier.row.sourceType === operatorSourceType && later.touch[1] > earlier.touch[1]) return true;
  return (knowledgeAt(later.row.voice, later.touch[0])[earlier.row.sourceType] ?? 0) >= earlier.touch[0];
}

/** A change also comes before what was merely found there. */
function supersedes(later: Candidate, earlier: Candidate): boolean {
  if (isFirstSight(earlier)) return !isFirstSight(later);
  return knew(later, earlier);
}

/** Those that nobody superseded: one, or several made without knowing of each other. */
export function unsuperseded(candidates: readonly Candidate[], by = supersedes): readonly Candidate[] {
  if (candidates.length === 2) {
    const one = candidates[0]!;
    const other = candidates[1]!;
    return by(one, other) ? [one] : by(other, one) ? [other] : candidates;
  }
  return candidates.filter((earlier) => !candidates.some((later) => later !== earlier && by(later, earlier)));
}

/** Negative where `left` goes before `right`. Total: sources differ. */
export function compareByRule(rule: OrderRule, left: Candidate, right: Candidate): number {
  const [one, other] = [left.row.sourceType, right.row.sourceType];
  if (rule.kind === 'priority') return compareByRank(rule.ranking, one, other);
  if (left.touch[1] !== right.touch[1]) return right.touch[1] - left.touch[1];
  if (one === operatorSourceType || other === operatorSourceType) return one === operatorSourceType ? -1 : 1;
  return one < other ? -1 : 1;
}

export function compareByRank(ranking: Ranking, left: string, right: string): number {
  return rankOf(ranking, left) - rankOf(ranking, right) || (left < right ? -1 : left > right ? 1 : 0);
}
