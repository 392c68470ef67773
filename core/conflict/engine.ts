import assert from 'node:assert/strict';
import type { CanonicalRecord } from '../change-event.ts';
import { type Acknowledgement, acknowledge } from './acknowledgement.ts';
import type { Conflict, GoldenRow } from './conflict.ts';
import { type FieldOutcome, type Merged, type MergedGolden, type MergeInput, mergeEntity } from './entity-merge.ts';
import { decideByAnswer } from './operator.ts';
import type { ConflictPolicy } from './policy.ts';
import { speak } from './speech.ts';
import { sameValue } from './values.ts';
import { dataAt, operatorSourceType, type SourceRow, type VoicedRow, valueAt, voiced } from './voice.ts';

/** An entity before a change: its golden row and the row of every source that speaks of it. */
export interface ConflictView {
  readonly golden: GoldenRow | undefined;
  readonly rows: readonly SourceRow[];
}

export interface Resolution {
  /** The changing source's new row; undefined where an answer came too late and nothing changes. */
  readonly row: VoicedRow | undefined;
  readonly golden: MergedGolden;
  /** Lines for the conflict log: new ones, and open ones that moved or closed. */
  readonly conflicts: readonly Conflict[];
  /** The fields that were looked at. */
  readonly fields: readonly FieldOutcome[];
  /** Whether the source differs from the golden record now, so that it must be written back to it even if that did not move. */
  readonly differs: boolean;
}

/**
 * What an entity is after a change that is newer than what its source said before. Pure, and the same whatever the order
 * in which the sources arrive, but for fields that wait for an answer: there the golden record keeps what it has.
 */
export function resolve(policy: ConflictPolicy, view: ConflictView, change: CanonicalRecord): Resolution {
  const rows = voicedRows(view.rows);
  const cause = causeOf(change);
  if (change.sourceType === operatorSourceType) {
    const decision = decideByAnswer(policy, view.golden, rows, change);
    if (decision === undefined) return unchanged(policy, view.golden, rows, change);
    const after = withRow(rows, decision.row);
    return finish(decision.row, {
      policy,
      golden: view.golden,
      before: rows,
      after,
      changed: null,
      cause,
      closing: decision.closing,
    });
  }
  const { row, changed } = speak(policy, rowOf(rows, change.sourceType), change);
  return finish(row, { policy, golden: view.golden, before: rows, after: withRow(rows, row), changed, cause });
}

/** What an entity is after a system said that our write reached it. Nothing of the golden record moves, unless changes overtook the word. */
export function resolveAcknowledgement(policy: ConflictPolicy, view: ConflictView, ack: Acknowledgement): Resolution {
  const rows = voicedRows(view.rows);
  const row = acknowledge(policy, rowOf(rows, ack.sourceType), ack);
  const after = withRow(rows, row);
  return finish(row, { policy, golden: view.golden, before: rows, after, changed: null, cause: causeOf(ack) });
}

/** The golden record of these rows by another policy, or by this one from nothing. */
export function remerge(policy: ConflictPolicy, view: ConflictView): Merged {
  const rows = voicedRows(view.rows);
  const [first] = rows;
  assert(first !== undefined, 'an entity that nobody speaks of has no golden record');
  const cause = { entityId: first.entityId, kind: first.kind, sourceType: '', eventId: view.golden?.eventId ?? '' };
  return mergeEntity({ policy, golden: view.golden, before: rows, after: rows, changed: null, cause });
}

function finish(row: VoicedRow, input: MergeInput): Resolution {
  const { golden, conflicts, fields } = mergeEntity(input);
  return { row, golden, conflicts, fields, differs: row.sourceType !== operatorSourceType && isOther(row, golden) };
}

/** Every field counts, changed just now or not: a write-back that was refused because of one field has to bring the others too. */
function isOther(row: VoicedRow, { deleted, data }: MergedGolden): boolean {
  if (row.deleted !== deleted) return true;
  if (row.data === data || row.data === null || data === null) return false;
  for (const field in data) if (!sameValue(dataAt(row, field), data[field])) return true;
  for (const field in row.data) if (valueAt(data, field) === undefined) return true;
  return false;
}

function unchanged(
  policy: ConflictPolicy,
  golden: GoldenRow | undefined,
  rows: readonly VoicedRow[],
  change: CanonicalRecord,
): Resolution {
  const merged = mergeEntity({ policy, golden, before: rows, after: rows, changed: [], cause: causeOf(change) });
  return { row: undefined, ...merged, differs: false };
}

function causeOf({ entityId, kind, sourceType, eventId }: Pick<CanonicalRecord, 'entityId' | 'kind' | 'sourceType' | 'eventId'>) {
  return { entityId, kind, sourceType, eventId };
}

function voicedRows(rows: readonly SourceRow[]): readonly VoicedRow[] {
  for (const row of rows) if (row.voice === null) return rows.map(voiced);
  return rows as readonly VoicedRow[];
}

function rowOf(rows: readonly VoicedRow[], sourceType: string): VoicedRow | undefined {
  for (const row of rows) if (row.sourceType === sourceType) return row;
  return undefined;
}

function withRow(rows: readonly VoicedRow[], row: VoicedRow): VoicedRow[] {
  const after: VoicedRow[] = [row];
  for (const other of rows) if (other.sourceType !== row.sourceType) after.push(other);
  return after;
}
