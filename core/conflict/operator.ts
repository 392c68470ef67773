import { decimalText, parseDecimal } from '../canonical/decimal.ts';
import type { CanonicalRecord } from '../change-event.ts';
import { SyncError } from '../errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../json.ts';
import { existenceField, type GoldenRow, type OpenConflict } from './conflict.ts';
import type { Closing } from './conflict-ledger.ts';
import { counterOf } from './merge-counter.ts';
import { type ConflictPolicy, ruleOf } from './policy.ts';
import { decimalOf } from './values.ts';
import { type CounterVoice, knowledgeOf, operatorSourceType, type Touch, type Voice, type VoicedRow, valueAt } from './voice.ts';

/** What the record of an answer carries. A field that is missing in `fields` stays open; skipping keeps the golden values. */
export interface Answer {
  readonly conflictId: string;
  readonly decidedAt: string;
  readonly skip: boolean;
  readonly fields: JsonObject;
  /** Fields that are to be absent. */
  readonly removed?: readonly string[];
}

export function parseAnswer(data: JsonObject | null): Answer {
  const { conflictId, decidedAt, skip, fields, removed } = data ?? {};
  const decided = typeof decidedAt === 'string' && !Number.isNaN(Date.parse(decidedAt));
  if (typeof conflictId !== 'string' || !decided || (skip !== true && !isJsonObject(fields))) {
    const message = 'the answer to a conflict carries conflictId, decidedAt, and either fields or skip: true';
    throw new SyncError('record.malformed', message, { details: { conflictId: conflictId ?? null } });
  }
  const absent = Array.isArray(removed) ? removed.filter((field) => typeof field === 'string') : [];
  const values = isJsonObject(fields) ? fields : {};
  return { conflictId, decidedAt: decidedAt as string, skip: skip === true, fields: values, removed: absent };
}

export interface Decision {
  readonly row: VoicedRow;
  readonly closing: Closing;
}

/** The operator's row after an answer, or undefined where the conflict is not open (any more): the first answer wins. */
export function decideByAnswer(
  policy: ConflictPolicy,
  golden: GoldenRow | undefined,
  rows: readonly VoicedRow[],
  record: CanonicalRecord,
): Decision | undefined {
  const answer = parseAnswer(record.data);
  const conflict = golden?.voice?.open?.[answer.conflictId];
  if (golden === undefined || conflict === undefined) return undefined;
  const values = answeredFields(answer, conflict, golden);
  if (values.size === 0) return undefined;
  const before = rows.find(({ sourceType }) => sourceType === operatorSourceType);
  const touch: Touch = [(before?.voice.turn ?? 0) + 1, Date.parse(answer.decidedAt), record.eventId];
  const existence = conflict.type === 'update-delete';
  const voice = voiceAfter(before?.voice, touch, rows);
  const row: VoicedRow = {
    entityId: record.entityId,
    sourceType: operatorSourceType,
    kind: record.kind,
    version: (before?.version ?? 0) + 1,
    position: record.position,
    deleted: false,
    data: before?.data ?? {},
    checksum: record.checksum,
    eventId: record.eventId,
    voice: existence ? withExistence(voice, touch, values.get(existenceField) === true) : voice,
  };
  const closing: Closing = {
    conflictId: answer.conflictId,
    fields: new Set(values.keys()),
    status: answer.skip ? 'skipped' : 'resolved',
  };
  return { row: existence ? row : withFields(policy, row, touch, values, rows), closing };
}

function answeredFields(answer: Answer, conflict: OpenConflict, golden: GoldenRow): Map<string, JsonValue | undefined> {
  const values = new Map<string, JsonValue | undefined>();
  for (const [field, { status }] of Object.entries(conflict.fields)) {
    if (status !== 'open') continue;
    if (answer.skip) {
      values.set(
        field,
        conflict.type === 'update-delete' ? golden.deleted : golden.data ? valueAt(golden.data, field) : undefined,
      );
    } else if (Object.hasOwn(answer.fields, field)) {
      values.set(field, answer.fields[field]);
    } else if (answer.removed?.includes(field)) {
      values.set(field, undefined);
    }
  }
  return values;
}

function voiceAfter(before: Voice | undefined, touch: Touch, rows: readonly VoicedRow[]): Voice {
  const seen = [...(before?.seen ?? []), [touch[0], knowledgeOf(rows)] as const];
  return before === undefined
    ? { turn: touch[0], last: touch, born: 0, first: null, touches: {}, seen }
    : { ...before, turn: touch[0], last: touch, seen };
}

function withExistence(voice: Voice, touch: Touch, deleted: boolean): Voice {
  const { death: _death, spared: _spared, ...rest } = voice;
  return deleted ? { ...rest, death: touch } : { ...rest, spared: touch };
}

function withFields(
  policy: ConflictPolicy,
  row: VoicedRow,
  touch: Touch,
  values: ReadonlyMap<string, JsonValue | undefined>,
  rows: readonly VoicedRow[],
): VoicedRow {
  const data: JsonObject = { ...row.data };
  const touches: Record<string, Touch | null> = { ...row.voice.touches };
  const counters: Record<string, CounterVoice> = { ...row.voice.counters };
  for (const [field, value] of values) {
    touches[field] = touch;
    if (value === undefined) delete data[field];
    else data[field] = value;
    if (ruleOf(policy, field).kind === 'counter' && decimalOf(value) !== undefined) {
      counters[field] = { first: value!, sum: '0', sums: sumsOf(rows, field) };
    }
  }
  return { ...row, data, voice: { ...row.voice, touches, ...(Object.keys(counters).length > 0 ? { counters } : {}) } };
}

/** What was counted until now is in the value that was decided; only what comes later is added to it. */
function sumsOf(rows: readonly VoicedRow[], field: string): Record<string, string> {
  const sums: Record<string, string> = {};
  for (const row of rows) {
    const counter = row.sourceType === operatorSourceType ? undefined : counterOf(row, field);
    if (counter !== undefined) sums[row.sourceType] = decimalText(parseDecimal(counter.sum)!);
  }
  return sums;
}
