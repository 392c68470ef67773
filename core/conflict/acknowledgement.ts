import { decimalText, negate, parseDecimal } from '../canonical/decimal.ts';
import type { Checksum, EntityId, EventId } from '../change-event.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { Position } from '../position.ts';
import { addTo, counterOf, lastCount, openGap, plus } from './merge-counter.ts';
import { overwriteElements } from './merge-union.ts';
import { takeBackChange, takeBackDeletion, withoutWords } from './own-words.ts';
import { type ConflictPolicy, ruleOf } from './policy.ts';
import { decimalOf, sameValue } from './values.ts';
import {
  type CounterVoice,
  dataAt,
  type ElementTouch,
  type Knowledge,
  type Touch,
  type Voice,
  type VoicedRow,
  valueAt,
} from './voice.ts';

/** A system says that our write of a golden record has reached it. */
export interface Acknowledgement {
  readonly entityId: EntityId;
  readonly sourceType: string;
  readonly kind: string;
  readonly eventId: EventId;
  /** `knowledgeOf` of the golden record that was written. */
  readonly knowledge: Knowledge;
  /** The turn of this system's row that the write was conditional on: what it replaced was the state of that turn. */
  readonly through: number;
  /** What the write replaced, in canonical form; null where there was nothing. */
  readonly replaced: JsonObject | null;
  /** What stands there now, as the system says; null after a deletion. */
  readonly returned: JsonObject | null;
  readonly checksum: Checksum | null;
  readonly position: Position | null;
}

/**
 * The system's row after it. Where the golden value replaced the system's own, its say in the field ends; where they are
 * equal it stays. Changes that the system made after the write, if they came here first, were made knowing of it.
 */
export function acknowledge(policy: ConflictPolicy, before: VoicedRow | undefined, ack: Acknowledgement): VoicedRow {
  const turn = before?.voice.turn ?? 0;
  const overtaken = turn > ack.through;
  const row = before ?? emptyRow(ack);
  const told = { ...row, voice: withoutWords({ ...row.voice, seen: learn(row.voice, ack) }, ack.through) };
  if (ack.returned === null) {
    return overtaken
      ? { ...told, voice: takeBackDeletion(told.voice, ack.through + 1) }
      : { ...deletedRow(told), checksum: null };
  }
  const voice = overtaken ? overtakenVoice(policy, told, ack, ack.returned) : writtenVoice(policy, told, ack, ack.returned);
  if (overtaken) return { ...told, voice };
  return { ...told, voice, data: ack.returned, deleted: false, checksum: ack.checksum, position: row.position ?? ack.position };
}

function emptyRow(ack: Acknowledgement): VoicedRow {
  const { entityId, sourceType, kind, eventId, position } = ack;
  const voice: Voice = { turn: 0, last: null, born: 0, first: null, touches: {}, seen: [] };
  return { entityId, sourceType, kind, version: 0, position, deleted: true, data: null, checksum: null, eventId, voice };
}

function deletedRow(row: VoicedRow): VoicedRow {
  const { turn, born, seen, death } = row.voice;
  const voice: Voice = { turn, last: null, born, first: null, touches: {}, seen };
  return { ...row, deleted: true, data: null, voice: death === undefined ? voice : { ...voice, death } };
}

/** What the system knows from the turn after the replaced state on, and what older turns that still matter knew. */
function learn(voice: Voice, ack: Acknowledgement): Voice['seen'] {
  const from = ack.through + 1;
  const seen = voice.seen.map(
    ([turn, knowledge]) => [turn, turn >= from ? atLeast(knowledge, ack.knowledge) : knowledge] as const,
  );
  if (!seen.some(([turn]) => turn === from)) {
    const earlier = seen.filter(([turn]) => turn < from).at(-1)?.[1] ?? {};
    seen.push([from, atLeast(earlier, ack.knowledge)]);
    seen.sort(([left], [right]) => left - right);
  }
  const turns = [voice.last, voice.first, voice.death, ...Object.values(voice.touches)].flatMap((touch) =>
    touch ? [touch[0]] : [],
  );
  for (const elements of Object.values(voice.elements ?? {})) {
    for (const touch of Object.values(elements)) if (touch !== null) turns.push(touch[0]);
  }
  const used = new Set(turns.map((turn) => seen.findLastIndex(([since]) => since <= turn)));
  return seen.filter((_entry, index) => used.has(index) || index === seen.length - 1);
}

function atLeast(left: Knowledge, right: Knowledge): Knowledge {
  const knowledge: Record<string, number> = { ...left };
  for (const [source, turn] of Object.entries(right)) knowledge[source] = Math.max(knowledge[source] ?? 0, turn);
  return knowledge;
}

function writtenVoice(policy: ConflictPolicy, row: VoicedRow, ack: Acknowledgement, returned: JsonObject): Voice {
  const touches: Record<string, Touch | null> = { ...row.voice.touches };
  const counters: Record<string, CounterVoice> = { ...row.voice.counters };
  const elements: Record<string, Readonly<Record<string, ElementTouch | null>>> = { ...row.voice.elements };
  for (const field of new Set([...Object.keys(row.data ?? {}), ...Object.keys(returned), ...Object.keys(row.voice.touches)])) {
    const [was, is] = [dataAt(row, field), valueAt(returned, field)];
    const { kind } = ruleOf(policy, field);
    if (kind === 'counter') countWritten(counters, row, field, valueAt(ack.replaced ?? {}, field), is);
    if (sameValue(was, is)) continue;
    if (kind === 'union') elements[field] = overwriteElements(valueAt(elements, field), was, is);
    // In a union the source goes on to speak for its own elements.
    if (kind !== 'union' || !Array.isArray(was)) touches[field] = null;
  }
  return withMemory({ ...row.voice, touches }, counters, elements);
}

/** The write met another count than the newest we had seen: the difference is the system's own doing. */
function countWritten(
  counters: Record<string, CounterVoice>,
  row: VoicedRow,
  field: string,
  replaced: JsonValue | undefined,
  returned: JsonValue | undefined,
): void {
  const counter = counterOf(row, field) ?? (decimalOf(returned) === undefined ? undefined : { first: null, sum: '0' });
  if (counter === undefined) return;
  const [known, found] = [decimalOf(dataAt(row, field)) ?? lastCount(counter), decimalOf(replaced)];
  const counted = known === undefined || found === undefined ? counter : addTo(counter, plus(found, negate(known)));
  const last = found ?? known;
  const { gaps: _gaps, ...whole } = counted;
  // Where no number stands after the write either, the system goes on from the last one it had.
  counters[field] = decimalOf(returned) !== undefined || last === undefined ? whole : openGap(whole, row.voice.turn, last);
}

/** The row holds what the system said after our write: fields equal to it are our own words, and our shifts were counted as its own. */
function overtakenVoice(policy: ConflictPolicy, row: VoicedRow, ack: Acknowledgement, returned: JsonObject): Voice {
  const created = ack.through === 0 && ack.replaced === null;
  const touches: Record<string, Touch | null> = { ...row.voice.touches };
  const counters: Record<string, CounterVoice> = { ...row.voice.counters };
  for (const field of Object.keys(returned)) {
    const [is, replaced] = [returned[field]!, valueAt(ack.replaced ?? {}, field)];
    if (ruleOf(policy, field).kind === 'counter') uncountWritten(counters, row, field, replaced, is, created, ack.through);
    if (sameValue(is, replaced)) continue;
    const touch = valueAt(row.voice.touches, field) ?? (dataAt(row, field) === undefined ? null : row.voice.first);
    if (touch !== null && touch[0] > ack.through && sameValue(dataAt(row, field), is)) touches[field] = null;
  }
  const spoken = takeBackChange({ ...row.voice, touches }, ack.through + 1, Object.keys(row.data ?? {}));
  const voice = withMemory(spoken, counters, { ...row.voice.elements });
  return created ? { ...voice, born: 0 } : voice;
}

function uncountWritten(
  counters: Record<string, CounterVoice>,
  row: VoicedRow,
  field: string,
  replaced: JsonValue | undefined,
  returned: JsonValue,
  created: boolean,
  through: number,
): void {
  const known = counterOf(row, field);
  if (known === undefined) return;
  const to = decimalOf(returned);
  const { since, ...rest } = known;
  if (since !== undefined && since[0] > through && to !== undefined && decimalOf(replaced) === undefined) {
    // It began to count on what we had written.
    counters[field] = addTo({ ...rest, first: null }, plus(parseDecimal(since[1])!, negate(to)));
    return;
  }
  const counter = created ? { ...known, first: null } : known;
  counters[field] = counter;
  // The gap that our write fell into, or that came as the system's next word.
  const gap = counter.gaps?.find(([from, until]) => from <= through + 1 && (until === null || until > through));
  const last = gap && parseDecimal(gap[2])!;
  const from = decimalOf(replaced) ?? last;
  if (from === undefined || to === undefined) return;
  if (gap === undefined || gap[1] !== null) {
    counters[field] = addTo(counter, plus(from, negate(to)));
    return;
  }
  // It has not counted since: our number is the last one it had.
  const gaps = [...counter.gaps!.slice(0, -1), [gap[0], null, decimalText(to)] as const];
  counters[field] = { ...addTo(counter, plus(from, negate(last!))), gaps };
}

function withMemory(
  voice: Voice,
  counters: Record<string, CounterVoice>,
  elements: Record<string, Readonly<Record<string, ElementTouch | null>>>,
): Voice {
  return {
    ...voice,
    ...(Object.keys(counters).length > 0 ? { counters } : {}),
    ...(Object.keys(elements).length > 0 ? { elements } : {}),
  };
}
