import { compare, type Decimal } from '../canonical/decimal.ts';
import { canonicalInstant, nanosecondsOf } from '../canonical/instant.ts';
import type { JsonValue } from '../json.ts';
import type { ConflictPolicy, MergeRule } from './policy.ts';
import { type Candidate, compareByRank, knew, unsuperseded } from './precedence.ts';
import { decimalOf } from './values.ts';
import { type Incumbents, leftOpen, type Verdict, verdictOf } from './verdict.ts';
import { dataAt } from './voice.ts';

type Measure = { readonly kind: 'number'; readonly value: Decimal } | { readonly kind: 'time'; readonly value: bigint | string };

/**
 * The smallest or largest of what the sources say at present. A change made after seeing the outcome takes its
 * place, so that whoever brought the smallest may also raise it again. null and absent do not count.
 */
export function mergeExtreme(
  policy: ConflictPolicy,
  rule: MergeRule,
  field: string,
  candidates: readonly Candidate[],
  incumbents: Incumbents,
): Verdict {
  const sides = unsuperseded(candidates, knew);
  const speaking = sides.filter(({ row }) => (dataAt(row, field) ?? null) !== null);
  const byRank = (left: Candidate, right: Candidate) => compareByRank(policy.ranking, left.row.sourceType, right.row.sourceType);
  if (speaking.length === 0) return verdictOf([...sides].sort(byRank)[0]!, field, rule.name);
  const measured = speaking.map((side) => ({ side, measure: measureOf(dataAt(side.row, field)!) }));
  const kind = measured[0]!.measure?.kind;
  if (kind === undefined || measured.some(({ measure }) => measure?.kind !== kind)) {
    if (speaking.length === 1) return verdictOf(speaking[0]!, field, 'unopposed');
    const open = leftOpen(field, speaking, incumbents, rule);
    return { ...open, rule: 'manual', contest: { ...open.contest!, type: 'type-mismatch' } };
  }
  const sign = rule.kind === 'min' ? 1 : -1;
  measured.sort((left, right) => sign * compareMeasures(left.measure!, right.measure!) || byRank(left.side, right.side));
  return verdictOf(measured[0]!.side, field, rule.name);
}

const isoDay = /^\d{4}-\d\d-\d\d$/;

function measureOf(value: JsonValue): Measure | undefined {
  const decimal = decimalOf(value);
  if (decimal !== undefined) return { kind: 'number', value: decimal };
  if (typeof value !== 'string') return undefined;
  const instant = canonicalInstant(isoDay.test(value) ? `${value}T00:00:00Z` : value);
  return instant === undefined ? undefined : { kind: 'time', value: nanosecondsOf(instant) };
}

function compareMeasures(left: Measure, right: Measure): number {
  if (left.kind === 'number') return compare(left.value, right.value as Decimal);
  return left.value < right.value ? -1 : left.value > right.value ? 1 : 0;
}
