import type { GoldenRecord } from '../change-event.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { StateRow } from '../ports/sync-store.ts';

/** One deed of a source: its how-manieth change of the entity, when by the source's clock, and by which event. */
export type Touch = readonly [turn: number, atMs: number, eventId: string];

/** For each source, how many of its changes were taken into account. */
export type Knowledge = Readonly<Record<string, number>>;

/** An element of a list that is merged by union: the touch that added (1) or removed (0) it. */
export type ElementTouch = readonly [turn: number, atMs: number, eventId: string, present: 0 | 1];

/** The field held no number from one turn until another, null while it still holds none; what it had counted before, as an exact decimal. */
export type CounterGap = readonly [from: number, until: number | null, count: string];

/** What a word of a source took the place of: its newest deed and its newest deletion until then. */
export type Word = readonly [turn: number, last: Touch | null, death: Touch | null];

export interface CounterVoice {
  /** The value at first sight, which may serve as the base; null where we wrote it there ourselves. */
  readonly first: JsonValue;
  /** Exact decimal: all that this source added and took away. */
  readonly sum: string;
  /** Of an operator: the sums of the sources when the value was set. */
  readonly sums?: Readonly<Record<string, string>>;
  /** When the source first counted and what, where its record began without a count. */
  readonly since?: readonly [turn: number, count: string];
  /** The newest few, ascending. Closed ones are kept for an acknowledgement that is still on its way. */
  readonly gaps?: readonly CounterGap[];
}

/**
 * What one source has said of an entity, kept beside its data. Everything in it follows from that source's own changes and
 * what was written back to it, so the order in which sources arrive cannot matter.
 */
export interface Voice {
  /** How many changes the source made. */
  readonly turn: number;
  /** The newest change of the record as it stands; null where it is deleted or only our own write-back made it. */
  readonly last: Touch | null;
  /** Touches up to this turn are first sights: how the source was found, not what it did. */
  readonly born: number;
  /** Whether the source said that it created the record, rather than being found with it. */
  readonly created?: true;
  /** Touches every field of the data that has none of its own in `touches`. */
  readonly first: Touch | null;
  /** null: the value came by write-back, so the source has no say in it. A touch of a field the data lacks removed it. */
  readonly touches: Readonly<Record<string, Touch | null>>;
  /** What the source knew of the others, from which of its turns on; ascending. */
  readonly seen: readonly (readonly [fromTurn: number, knowledge: Knowledge])[];
  /** The newest deletion by this source itself; it stays when the record is created anew. */
  readonly death?: Touch;
  /** The newest few, ascending: an acknowledgement that is still on its way may tell that one was our own write coming back. */
  readonly words?: readonly Word[];
  /** Of an operator: keep the entity in spite of the deletions known then. */
  readonly spared?: Touch;
  readonly counters?: Readonly<Record<string, CounterVoice>>;
  readonly elements?: Readonly<Record<string, Readonly<Record<string, ElementTouch | null>>>>;
}

/** A row of a source as the engine reads and writes it. */
export interface SourceRow extends StateRow {
  /** null on rows written while their source was the only one. */
  readonly voice: Voice | null;
}

export interface VoicedRow extends StateRow {
  readonly voice: Voice;
}

/** Decisions of people and webhooks are records of this source. Reserved like GOLDEN. */
export const operatorSourceType = 'OPERATOR';
export const operatorSource = 'operator';

const knowsNothing: Knowledge = {};

/** What the source knew of the others when it made the touch of that turn. */
export function knowledgeAt(voice: Voice, turn: number): Knowledge {
  const { seen } = voice;
  for (let i = seen.length - 1; i >= 0; i--) if (seen[i]![0] <= turn) return seen[i]![1];
  return knowsNothing;
}

/** What a golden record made of these rows has taken into account. It travels with the record and comes back with the acknowledgement. */
export function knowledgeOf(rows: readonly VoicedRow[]): Knowledge {
  const knowledge: Record<string, number> = {};
  for (const { sourceType, voice } of rows) knowledge[sourceType] = voice.turn;
  return knowledge;
}

/** Field of a JSON object that may be called `constructor`: what is inherited is a function, which JSON never is. */
export function valueAt<T>(record: Readonly<Record<string, T>>, field: string): T | undefined {
  const value = record[field];
  return typeof value === 'function' ? undefined : value;
}

/** The touch of a field, or null where the source has no say in it. */
export function touchOf({ data, voice }: VoicedRow, field: string): Touch | null {
  const own = valueAt(voice.touches, field);
  if (own !== undefined) return own;
  return data !== null && valueAt(data, field) !== undefined ? voice.first : null;
}

export function dataAt(row: { readonly data: JsonObject | null }, field: string): JsonValue | undefined {
  return row.data === null ? undefined : valueAt(row.data, field);
}

/** Rows from a time without a voice: the first version was a first sight, later ones are changes of every field. */
export function voiced(row: SourceRow): VoicedRow {
  if (row.voice !== null) return row as VoicedRow;
  const touch: Touch = [row.version, occurredAtMsOf(row.eventId), row.eventId];
  const told = row.deleted ? null : touch;
  const voice: Voice = { turn: row.version, last: told, born: row.version === 1 ? 1 : 0, first: told, touches: {}, seen: [] };
  return { ...row, voice: row.deleted && row.version > 1 ? { ...voice, death: touch } : voice };
}

/** Event ids begin with 48 bits of the source's commit time. */
function occurredAtMsOf(eventId: GoldenRecord['eventId']): number {
  const time = Number.parseInt(eventId.slice(0, 8) + eventId.slice(9, 13), 16);
  return Number.isNaN(time) ? 0 : time;
}
