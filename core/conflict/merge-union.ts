import { canonicalText } from '../canonical/canonical.ts';
import type { JsonValue } from '../json.ts';
import type { ConflictPolicy, MergeRule } from './policy.ts';
import { type Candidate, compareByRank, unsuperseded } from './precedence.ts';
import { type Incumbents, leftOpen, type Verdict, verdictOf } from './verdict.ts';
import { dataAt, type ElementTouch, operatorSourceType, type Touch, touchOf, type VoicedRow, valueAt } from './voice.ts';

interface ElementCandidate extends Candidate {
  readonly present: boolean;
}

/**
 * Each element by itself: in, if one of those who touched it last without knowing of each other has it. So what one
 * source adds and another removes at the same time stays. The list is sorted by the canonical text of its elements.
 */
export function mergeUnion(
  policy: ConflictPolicy,
  rule: MergeRule,
  field: string,
  candidates: readonly Candidate[],
  incumbents: Incumbents,
): Verdict {
  const lists = candidates.filter(({ row }) => isListLike(dataAt(row, field)));
  if (lists.length < candidates.length) {
    if (candidates.length === 1) return verdictOf(candidates[0]!, field, 'only_source');
    const open = leftOpen(field, candidates, incumbents, rule);
    return { ...open, rule: 'manual', contest: { ...open.contest!, type: 'type-mismatch' } };
  }
  const latest = [...candidates].sort(
    (left, right) => right.touch[1] - left.touch[1] || compareByRank(policy.ranking, left.row.sourceType, right.row.sourceType),
  )[0]!;
  const verdict = verdictOf(latest, field, rule.name);
  if (candidates.every(({ row }) => !Array.isArray(dataAt(row, field)))) return verdict;
  return { ...verdict, value: elementsOf(field, candidates) };
}

function isListLike(value: JsonValue | undefined): boolean {
  return value === undefined || value === null || Array.isArray(value);
}

function elementsOf(field: string, candidates: readonly Candidate[]): JsonValue[] {
  const elements = new Map<string, JsonValue | undefined>();
  for (const { row } of candidates) {
    for (const [text, element] of elementsByText(dataAt(row, field))) elements.set(text, element);
    for (const text of Object.keys(valueAt(row.voice.elements ?? {}, field) ?? {})) {
      if (!elements.has(text)) elements.set(text, undefined);
    }
  }
  const listed = [...elements].filter(([text, element]) => element !== undefined && isIn(field, text, candidates));
  return listed.sort(([left], [right]) => (left < right ? -1 : 1)).map(([, element]) => element!);
}

function isIn(field: string, text: string, candidates: readonly Candidate[]): boolean {
  const touching = candidates.flatMap(({ row }) => elementCandidate(row, field, text) ?? []);
  return unsuperseded(touching).some((candidate) => (candidate as ElementCandidate).present);
}

function elementCandidate(row: VoicedRow, field: string, text: string): ElementCandidate | undefined {
  const present = elementsByText(dataAt(row, field)).has(text);
  const own = valueAt(valueAt(row.voice.elements ?? {}, field) ?? {}, text);
  if (own) return { row, touch: [own[0], own[1], own[2]], present: own[3] === 1 };
  if (own === null) return undefined;
  // An operator set the whole list: what is not in it was taken out.
  const ground = row.sourceType === operatorSourceType ? touchOf(row, field) : present ? row.voice.first : null;
  return ground === null ? undefined : { row, touch: ground, present };
}

export function elementsByText(value: JsonValue | undefined): Map<string, JsonValue> {
  return new Map(Array.isArray(value) ? value.map((element) => [canonicalText(element), element]) : []);
}

/** What a change of the list adds to the memory of its elements. */
export function touchElements(
  known: Readonly<Record<string, ElementTouch | null>> | undefined,
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  touch: Touch,
): Record<string, ElementTouch | null> {
  const elements = { ...known };
  const [had, has] = [elementsByText(before), elementsByText(after)];
  for (const text of has.keys()) if (!had.has(text)) elements[text] = [...touch, 1];
  for (const text of had.keys()) if (!has.has(text)) elements[text] = [...touch, 0];
  return elements;
}

/** After our write-back: the source has no say in elements that we added or took away there. */
export function overwriteElements(
  known: Readonly<Record<string, ElementTouch | null>> | undefined,
  before: JsonValue | undefined,
  after: JsonValue | undefined,
): Record<string, ElementTouch | null> {
  const elements = { ...known };
  const [had, has] = [elementsByText(before), elementsByText(after)];
  for (const text of has.keys()) if (!had.has(text)) elements[text] = null;
  for (const text of had.keys()) if (!has.has(text)) delete elements[text];
  return elements;
}
