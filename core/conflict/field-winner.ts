import type { JsonValue } from '../json.ts';
import { mergeCounter } from './merge-counter.ts';
import { mergeExtreme } from './merge-extreme.ts';
import { mergeUnion } from './merge-union.ts';
import type { ConflictPolicy, FieldRule } from './policy.ts';
import { ruleOf } from './policy.ts';
import { type Candidate, compareByRank, compareByRule, unsuperseded } from './precedence.ts';
import { sameValue } from './values.ts';
import { type Cast, contestType, type Incumbents, leftOpen, type Verdict, verdictOf } from './verdict.ts';
import { dataAt, touchOf, type VoicedRow } from './voice.ts';

const absent: Verdict = { value: undefined, source: null, eventId: null, rule: 'absent', contest: null };

export function decideField(policy: ConflictPolicy, field: string, cast: Cast, incumbents: Incumbents): Verdict {
  const rule = ruleOf(policy, field);
  if (rule.kind === 'counter') return mergeCounter(policy, rule, field, cast);
  const candidates = candidatesOf(field, cast.speakers);
  if (candidates.length === 0) return withoutSay(policy, field, cast.speakers);
  if (rule.kind === 'union') return mergeUnion(policy, rule, field, candidates, incumbents);
  if (candidates.length === 1) return verdictOf(candidates[0]!, field, 'only_source');
  if (rule.kind === 'min' || rule.kind === 'max') return mergeExtreme(policy, rule, field, candidates, incumbents);
  return pickWinner(policy, rule, field, candidates, incumbents);
}

function candidatesOf(field: string, rows: readonly VoicedRow[]): Candidate[] {
  const candidates: Candidate[] = [];
  for (const row of rows) {
    const touch = touchOf(row, field);
    if (touch !== null) candidates.push({ row, touch });
  }
  return candidates;
}

/** Whoever brought the value is gone, and what stands is our own copies of it. */
function withoutSay(policy: ConflictPolicy, field: string, rows: readonly VoicedRow[]): Verdict {
  let keeper: VoicedRow | undefined;
  for (const row of rows) {
    if (dataAt(row, field) === undefined) continue;
    if (keeper === undefined || compareByRank(policy.ranking, row.sourceType, keeper.sourceType) < 0) keeper = row;
  }
  if (keeper === undefined) return absent;
  return { value: dataAt(keeper, field), source: keeper.sourceType, eventId: keeper.eventId, rule: 'kept', contest: null };
}

function pickWinner(
  policy: ConflictPolicy,
  rule: Exclude<FieldRule, { kind: 'union' | 'min' | 'max' | 'counter' }>,
  field: string,
  candidates: readonly Candidate[],
  incumbents: Incumbents,
): Verdict {
  if (allEqual(field, candidates)) return verdictOf(firstByRank(policy, candidates), field, 'agreed');
  const sides = unsuperseded(candidates);
  if (sides.length === 1) return verdictOf(sides[0]!, field, 'unopposed');
  if (allEqual(field, sides)) return verdictOf(firstByRank(policy, sides), field, 'unopposed');
  const type = contestType(field, sides);
  if (rule.kind === 'manual' || rule.kind === 'webhook' || type === 'type-mismatch') {
    return leftOpen(field, sides, incumbents, rule);
  }
  const ordered = [...sides].sort((left, right) => compareByRule(rule, left, right));
  return verdictOf(ordered[0]!, field, rule.name, { type, settled: true, rule, sides: ordered });
}

function allEqual(field: string, candidates: readonly Candidate[]): boolean {
  const first: JsonValue | undefined = dataAt(candidates[0]!.row, field);
  for (let i = 1; i < candidates.length; i++) if (!sameValue(first, dataAt(candidates[i]!.row, field))) return false;
  return true;
}

function firstByRank(policy: ConflictPolicy, candidates: readonly Candidate[]): Candidate {
  let first = candidates[0]!;
  for (let i = 1; i < candidates.length; i++) {
    const other = candidates[i]!;
    if (compareByRank(policy.ranking, other.row.sourceType, first.row.sourceType) < 0) first = other;
  }
  return first;
}
