import { negate, parseDecimal } from '../canonical/decimal.ts';
import type { CanonicalRecord } from '../change-event.ts';
import type { JsonObject } from '../json.ts';
import { countChange, counterOf, plus } from './merge-counter.ts';
import { touchElements } from './merge-union.ts';
import { wordsWith } from './own-words.ts';
import { type ConflictPolicy, remembersMore, ruleOf } from './policy.ts';
import { decimalOf, sameValue, writtenLike } from './values.ts';
import { type CounterVoice, dataAt, type ElementTouch, type Touch, type Voice, type VoicedRow, valueAt } from './voice.ts';

/** A source's row after its change, and the fields that the change touched. */
export interface Speech {
  readonly row: VoicedRow;
  readonly changed: readonly string[];
}

const nothing: Voice = { turn: 0, last: null, born: 0, first: null, touches: {}, seen: [] };

/** A function of the source's own row and change alone: nothing of other sources enters here. */
export function speak(policy: ConflictPolicy, before: VoicedRow | undefined, change: CanonicalRecord): Speech {
  const voice = before?.voice ?? nothing;
  const touch: Touch = [voice.turn + 1, millisecondsOf(change.occurredAt), change.eventId];
  if (change.data === null) return { row: rowOf(change, before, silenced(policy, before, touch)), changed: [] };
  if (before === undefined || before.data === null) return beginLife(before, change, change.data, touch);
  const changed = changedFields(before.data, change.data);
  const touches: Record<string, Touch | null> = { ...voice.touches };
  for (const field of changed) touches[field] = touch;
  const spoken = spokenVoice(voice, touch, touches);
  return {
    row: rowOf(change, before, policy.remembers ? remember(policy, before, spoken, change.data, changed) : spoken),
    changed,
  };
}

/** The form that nearly all connectors send, `2026-06-01T10:00:00.000Z`, is read without the general parser. */
function millisecondsOf(time: string): number {
  if (time.length !== 24 || time[23] !== 'Z' || time[0] === '0') return Date.parse(time);
  const two = (at: number) => (time.charCodeAt(at) - 48) * 10 + time.charCodeAt(at + 1) - 48;
  const day = Date.UTC(two(0) * 100 + two(2), two(5) - 1, two(8));
  return day + two(11) * 3_600_000 + two(14) * 60_000 + two(17) * 1_000 + (time.charCodeAt(20) - 48) * 100 + two(21);
}

/** The optional parts are copied only where there are any: this runs for every change. */
function spokenVoice(voice: Voice, touch: Touch, touches: Voice['touches']): Voice {
  const { born, first, seen, created, death, counters, elements } = voice;
  const words = wordsWith(voice, touch[0]);
  if ((created ?? death ?? counters ?? elements) !== undefined) return { ...voice, turn: touch[0], last: touch, touches, words };
  return { turn: touch[0], last: touch, born, first, touches, seen, words };
}

function changedFields(before: JsonObject, after: JsonObject): string[] {
  const changed: string[] = [];
  let kept = 0;
  for (const field in after) {
    const was = valueAt(before, field);
    if (was !== undefined) kept++;
    const is = after[field]!;
    if (was !== is && !sameValue(was, is)) changed.push(field);
  }
  // Fields are seldom taken away, and counting them is cheaper than looking for each.
  let had = 0;
  for (const _field in before) had++;
  if (had > kept) for (const field in before) if (valueAt(after, field) === undefined) changed.push(field);
  return changed;
}

/** First sight, or a record that is created anew after its deletion: then every field is a deed. */
function beginLife(before: VoicedRow | undefined, change: CanonicalRecord, data: JsonObject, touch: Touch): Speech {
  const created = change.operation === 'create' ? ({ created: true } as const) : {};
  const voice: Voice =
    before === undefined
      ? { ...nothing, turn: touch[0], last: touch, born: touch[0], first: touch, words: wordsWith(nothing, touch[0]), ...created }
      : { ...lifeless(before.voice), ...carriedCounts(before.voice, data), ...spokenIn(before.voice, touch), first: touch };
  return { row: rowOf(change, before, voice), changed: Object.keys(data) };
}

function spokenIn(before: Voice, touch: Touch): Pick<Voice, 'turn' | 'last' | 'words'> {
  return { turn: touch[0], last: touch, words: wordsWith(before, touch[0]) };
}

/** What the source counted in its earlier life stays counted, and what it begins with now is no addition. */
function carriedCounts({ counters }: Voice, data: JsonObject): Pick<Voice, 'counters'> {
  if (counters === undefined) return {};
  const carried = Object.entries(counters).map(([field, { sum }]): [string, CounterVoice] => {
    const value = valueAt(data, field);
    const count = decimalOf(value);
    return [field, { first: count === undefined ? null : writtenLike(value!, plus(count, negate(parseDecimal(sum)!))), sum }];
  });
  return { counters: Object.fromEntries(carried) };
}

/** What outlives the record: what was known, and what was done to the entity as a whole. */
function lifeless({ born, seen, death }: Voice): Voice {
  return { ...nothing, born, seen, ...(death === undefined ? {} : { death }) };
}

/** After a deletion. A record that was never seen, or that we deleted ourselves, is not deleted again. */
function silenced(policy: ConflictPolicy, before: VoicedRow | undefined, touch: Touch): Voice {
  if (before === undefined) return { ...nothing, turn: touch[0], born: touch[0] };
  const voice = { ...lifeless(before.voice), turn: touch[0], words: wordsWith(before.voice, touch[0]) };
  if (before.deleted) return voice;
  const counters = finalCounts(policy, before);
  return { ...voice, death: touch, ...(counters === undefined ? {} : { counters }) };
}

function finalCounts(policy: ConflictPolicy, row: VoicedRow): Record<string, CounterVoice> | undefined {
  if (!policy.remembers || row.data === null) return undefined;
  const counters: Record<string, CounterVoice> = {};
  for (const field of new Set([...Object.keys(row.data), ...Object.keys(row.voice.counters ?? {})])) {
    const counter = ruleOf(policy, field).kind === 'counter' ? counterOf(row, field) : undefined;
    if (counter !== undefined) counters[field] = counter;
  }
  return counters;
}

function remember(
  policy: ConflictPolicy,
  before: VoicedRow,
  spoken: Voice,
  after: JsonObject,
  changed: readonly string[],
): Voice {
  const merging = changed.filter((field) => remembersMore(ruleOf(policy, field)));
  if (merging.length === 0) return spoken;
  const counters: Record<string, CounterVoice> = { ...spoken.counters };
  const elements: Record<string, Readonly<Record<string, ElementTouch | null>>> = { ...spoken.elements };
  for (const field of merging) {
    const is = valueAt(after, field);
    if (ruleOf(policy, field).kind === 'counter') {
      const counter = countChange(before, field, is, spoken.turn);
      if (counter !== undefined) counters[field] = counter;
    } else {
      elements[field] = touchElements(valueAt(elements, field), dataAt(before, field), is, spoken.last!);
    }
  }
  return { ...spoken, counters, elements };
}

function rowOf(change: CanonicalRecord, before: VoicedRow | undefined, voice: Voice): VoicedRow {
  return {
    entityId: change.entityId,
    sourceType: change.sourceType,
    kind: change.kind,
    version: (before?.version ?? 0) + 1,
    position: change.position,
    deleted: change.data === null,
    data: change.data,
    checksum: change.checksum,
    eventId: change.eventId,
    voice,
  };
}
