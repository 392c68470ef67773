import { add, type Decimal, decimalText, negate, parseDecimal } from '../canonical/decimal.ts';
import type { JsonValue } from '../json.ts';
import type { ConflictPolicy, MergeRule } from './policy.ts';
import { type Candidate, compareByRank, knew } from './precedence.ts';
import { decimalOf, sameValue, writtenLike } from './values.ts';
import { type Cast, type Verdict, verdictOf } from './verdict.ts';
import {
  type CounterGap,
  type CounterVoice,
  dataAt,
  operatorSourceType,
  type Touch,
  touchOf,
  type VoicedRow,
  valueAt,
} from './voice.ts';

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
  const odd = cast.speakers
    .flatMap((row) => oddSide(row, field))
    .sort((left, right) => compareByRank(policy.ranking, left.row.sourceType, right.row.sourceType));
  const bases = counting
    .filter(({ counter }) => counter.first !== null)
    .sort((left, right) => compareByRank(policy.ranking, left.row.sourceType, right.row.sourceType));
  const base = bases[0];
  if (base === undefined || cast.speakers.every((row) => dataAt(row, field) === undefined))
    return uncounted(policy, field, cast, odd, rule);

  let total = decimalOf(base.counter.first)!;
  for (const { row, counter } of counting) {
    total = plus(total, parseDecimal(counter.sum)!);
    const known = valueAt(base.counter.sums ?? {}, row.sourceType);
    if (known !== undefined) total = plus(total, negate(parseDecimal(known)!));
  }
  // Who says something else than a number holds the count only where nobody else does.
  const holding = bases.find(({ row }) => !odd.some((side) => side.row === row)) ?? base;
  const holder: Candidate = { row: holding.row, touch: deedOf(holding.row, field) };
  const verdict: Verdict = {
    value: writtenLike(base.counter.first, total),
    source: holder.row.sourceType,
    eventId: holder.touch[2],
    rule: rule.name,
    contest: null,
  };
  const unanswered = odd.filter((side) => !isAnswered(cast, field, side));
  if (unanswered.length > 0) {
    const sides = [holder, ...unanswered.filter(({ row }) => row !== holder.row)];
    return { ...verdict, rule: 'manual', contest: { type: 'type-mismatch', settled: false, rule, sides } };
  }
  return { ...verdict, contest: differingFirstSights(rule, holder, bases) };
}

/** A record that only our own write made has no deed of its source. */
function deedOf(row: VoicedRow, field: string): Touch {
  return touchOf(row, field) ?? row.voice.last ?? row.voice.death ?? [row.voice.turn, 0, row.eventId];
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

/** Somebody set the count knowing of what stands there. */
function isAnswered({ speakers }: Cast, field: string, side: Candidate): boolean {
  const row = speakers.find(({ sourceType }) => sourceType === operatorSourceType);
  const touch = row && touchOf(row, field);
  return touch !== undefined && touch !== null && side.row !== row && knew({ row: row!, touch }, side);
}

/** Nobody has a number: whatever is there stays there. */
function uncounted(policy: ConflictPolicy, field: string, cast: Cast, odd: readonly Candidate[], rule: MergeRule): Verdict {
  if (odd.length > 0) return verdictOf(odd[0]!, field, rule.name);
  const holders = cast.speakers
    .filter((speaker) => dataAt(speaker, field) !== undefined)
    .sort((left, right) => compareByRank(policy.ranking, left.sourceType, right.sourceType));
  const row = holders.find((holder) => decimalOf(dataAt(holder, field)) !== undefined) ?? holders[0];
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

/** What a change at that turn adds. What the field counted last is remembered while it holds no number. */
export function countChange(row: VoicedRow, field: string, after: JsonValue | undefined, turn: number): CounterVoice | undefined {
  const [from, to] = [decimalOf(dataAt(row, field)), decimalOf(after)];
  const counter = counterOf(row, field);
  if (counter === undefined) return to === undefined ? undefined : beginCount('0', after!, to, turn);
  if (to === undefined) return from === undefined ? counter : openGap(counter, turn, from);
  const last = from ?? lastCount(counter);
  if (last !== undefined) return closeGap(addTo(counter, plus(to, negate(last))), turn);
  return counter.first === null ? beginCount(counter.sum, after!, to, turn) : counter;
}

/** The record began without a count. What was counted in an earlier life is no part of its base. */
function beginCount(sum: string, value: JsonValue, count: Decimal, turn: number): CounterVoice {
  return { first: writtenLike(value, plus(count, negate(parseDecimal(sum)!))), sum, since: [turn, decimalText(count)] };
}

/** What was counted before the field ceased to be a number; undefined where it is one or never was. */
export function lastCount({ gaps }: CounterVoice): Decimal | undefined {
  const gap = gaps?.at(-1);
  return gap === undefined || gap[1] !== null ? undefined : parseDecimal(gap[2]);
}

/** How many gaps are kept for acknowledgements: a system that is never written to must not fill its row. */
const gapsMax = 8;

export function openGap(counter: CounterVoice, turn: number, count: Decimal): CounterVoice {
  const gap: CounterGap = [turn, null, decimalText(count)];
  return { ...counter, gaps: [...(counter.gaps ?? []), gap].slice(-gapsMax) };
}

function closeGap(counter: CounterVoice, turn: number): CounterVoice {
  const gap = counter.gaps?.at(-1);
  if (gap === undefined || gap[1] !== null) return counter;
  return { ...counter, gaps: [...counter.gaps!.slice(0, -1), [gap[0], turn, gap[2]]] };
}

export function addTo(counter: CounterVoice, more: Decimal): CounterVoice {
  return { ...counter, sum: decimalText(plus(parseDecimal(counter.sum)!, more)) };
}

/** A sum beyond a thousand digits is no count of anything: it stays where it was. */
export function plus(left: Decimal, right: Decimal): Decimal {
  return add(left, right) ?? left;
}
