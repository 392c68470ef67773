import { add, type Decimal, decimalText, negate, parseDecimal } from '../canonical/decimal.ts';
import type { JsonValue } from '../json.ts';
import type { ConflictPolicy, MergeRule } from './policy.ts';
import { type Candidate, compareByRank } from './precedence.ts';
import { decimalOf, sameValue, writtenLike } from './values.ts';
import { type Cast, type Verdict, verdictOf } from './verdict.ts';
import { type CounterVoice, dataAt, operatorSourceType, touchOf, type VoicedRow, valueAt } from './voice.ts';

/**
 * The base, which is what the best ranked source had at first sight, and on it all that every source added or took
 * away since. What we write to a source shifts it there and is nobody's addition.
 */
export function mergeCounter(policy: ConflictPolicy, rule: MergeRule, field: string, cast: Cast): Verdict {
  // Once somebody has created the entity anew, records that are gone belong to its former life.
  const reborn = cast.speakers.some(({ voice }) => voice.death !== undefined && voice.last !== null);
  const counting = (reborn ? cast.speakers : cast.counting).flatMap((row) => {
    const counter = counterOf(row, field);
    return counter === undefined ? [] : [{ row, counter }];
  });
  const odd = cast.speakers.flatMap((row) => oddSide(row, field));
  const bases = counting
    .filter(({ counter }) => counter.first !== null)
    .sort((left, right) => compareByRank(policy.ranking, left.row.sourceType, right.row.sourceType));
  const base = bases[0];
  if (base === undefined || cast.speakers.every((row) => dataAt(row, field) === undefined))
    return uncounted(field, cast, odd, rule);

  let total = decimalOf(base.counter.first)!;
  for (const { row, counter } of counting) {
    total = plus(total, parseDecimal(counter.sum)!);
    const known = valueAt(base.counter.sums ?? {}, row.sourceType);
    if (known !== undefined) total = plus(total, negate(parseDecimal(known)!));
  }
  const touch = touchOf(base.row, field) ?? base.row.voice.last ?? base.row.voice.death!;
  const verdict: Verdict = {
    value: writtenLike(base.counter.first, total),
    source: base.row.sourceType,
    eventId: touch[2],
    rule: rule.name,
    contest: null,
  };
  const holder: Candidate = { row: base.row, touch };
  if (odd.length > 0) {
    const sides = [holder, ...odd.filter(({ row }) => row !== base.row)];
    if (sides.length > 1) return { ...verdict, rule: 'manual', contest: { type: 'type-mismatch', settled: false, rule, sides } };
  }
  return { ...verdict, contest: differingFirstSights(rule, holder, bases) };
}

/** Two sources that were found with different counts: the better ranked one's is the base, and that is worth a line in the log. */
function differingFirstSights(
  rule: MergeRule,
  base: Candidate,
  bases: readonly { readonly row: VoicedRow; readonly counter: CounterVoice }[],
): Verdict['contest'] {
  const first = bases[0]!.counter.first;
  if (base.row.sourceType === operatorSourceType) return null;
  const others = bases.slice(1).flatMap(({ row, counter }): Candidate[] => {
    const found = row.voice.first;
    return found === null || sameCount(first, counter.first) ? [] : [{ row, touch: found }];
  });
  if (others.length === 0) return null;
  const touch = base.row.voice.first ?? base.touch;
  return { type: 'create-create', settled: true, rule, sides: [{ row: base.row, touch }, ...others] };
}

function sameCount(left: JsonValue, right: JsonValue): boolean {
  return sameValue(left, right) || decimalText(decimalOf(left)!) === decimalText(decimalOf(right)!);
}

function oddSide(row: VoicedRow, field: string): Candidate[] {
  const value = dataAt(row, field) ?? null;
  const touch = touchOf(row, field);
  return value === null || touch === null || decimalOf(value) !== undefined ? [] : [{ row, touch }];
}

/** Nobody has a number: whatever is there stays there. */
function uncounted(field: string, cast: Cast, odd: readonly Candidate[], rule: MergeRule): Verdict {
  if (odd.length > 0) return verdictOf(odd[0]!, field, rule.name);
  const row = cast.speakers.find((speaker) => dataAt(speaker, field) !== undefined);
  const value = row && dataAt(row, field);
  return { value, source: row?.sourceType ?? null, eventId: row?.eventId ?? null, rule: rule.name, contest: null };
}

/** What a source counted so far. Where nothing was written down yet, what it has is what it was found with. */
export function counterOf(row: VoicedRow, field: string): CounterVoice | undefined {
  const known = valueAt(row.voice.counters ?? {}, field);
  if (known !== undefined) return known;
  const value = dataAt(row, field);
  if (decimalOf(value) === undefined) return undefined;
  return { first: touchOf(row, field) === null ? null : value!, sum: '0' };
}

/** What a change from one value to another adds. From or to something that is no number nothing can be counted. */
export function countChange(
  row: VoicedRow,
  field: string,
  before: JsonValue | undefined,
  after: JsonValue | undefined,
): CounterVoice | undefined {
  const [from, to] = [decimalOf(before), decimalOf(after)];
  const counter = counterOf(row, field);
  if (counter === undefined) return to === undefined ? undefined : { first: after!, sum: '0' };
  if (from === undefined || to === undefined) return counter;
  return { ...counter, sum: decimalText(plus(parseDecimal(counter.sum)!, plus(to, negate(from)))) };
}

/** A sum beyond a thousand digits is no count of anything: it stays where it was. */
export function plus(left: Decimal, right: Decimal): Decimal {
  return add(left, right) ?? left;
}
