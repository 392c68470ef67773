import assert from 'node:assert/strict';
import { canonicalText } from '../canonical/canonical.ts';
import type { EntityId } from '../change-event.ts';
import type { JsonObject } from '../json.ts';
import type { StateHead } from '../ports/sync-store.ts';
import type { DifferencePair } from './difference-pair.ts';

export const differenceKinds = ['only_left', 'only_right', 'differs'] as const;
export type DifferenceKind = (typeof differenceKinds)[number];

export interface DifferenceKey {
  readonly entityId: EntityId;
  readonly leftSource: string;
  readonly rightSource: string;
  readonly entityKind: string;
  /** Of the pair it was found by: what an outdated configuration finds is not written. */
  readonly configId: string;
}

/** How an entity stands at two sources that should hold the same. */
export interface Difference extends DifferenceKey {
  readonly kind: DifferenceKind;
  /** Per field what each side has: `{ price: { left: 10, right: 12 } }`; a side without the field is left out. Empty where one side lacks the entity. */
  readonly fields: JsonObject;
}

/** What has to be written. At most one entry per entity and pair. */
export interface DifferenceChanges {
  readonly upserts: readonly Difference[];
  readonly removals: readonly DifferenceKey[];
}

/** A row of `sync_state`; its data are asked for where both sources of a pair have one. */
export type ComparedRow = Pick<StateHead, 'entityId' | 'sourceType' | 'deleted' | 'checksum'> & {
  readonly data?: JsonObject | null;
};

/** Null where both sides hold the same, or neither has the entity. A deleted row is no row. */
export function differenceOf(
  pair: DifferencePair,
  left: ComparedRow | undefined,
  right: ComparedRow | undefined,
): Difference | null {
  if (!lives(left)) return lives(right) ? found(pair, right.entityId, 'only_right', {}) : null;
  if (!lives(right)) return found(pair, left.entityId, 'only_left', {});
  // One checksum is one record, whatever the rules count.
  if (left.checksum !== null && left.checksum === right.checksum) return null;
  const [leftData, rightData] = [dataOf(left), dataOf(right)];
  const changes = pair.comparison.diff(otherThan(leftData, rightData), otherThan(rightData, leftData));
  if (changes.length === 0) return null;
  const fields: JsonObject = {};
  for (const { field, before, after } of changes) {
    fields[field] = { ...(before !== undefined && { left: before }), ...(after !== undefined && { right: after }) };
  }
  return found(pair, left.entityId, 'differs', fields);
}

/**
 * What a change of one entity means for the table: `before` are its rows as they were, `after` as they are now. Runs for
 * every entity of a batch, so what did not move costs a look at its checksum.
 */
export function differenceChanges(
  pairs: readonly DifferencePair[],
  before: readonly ComparedRow[],
  after: readonly ComparedRow[],
): DifferenceChanges {
  let changes: DifferenceChanges = noDifferenceChanges;
  for (const pair of pairs) {
    const [leftBefore, leftAfter] = [rowOf(before, pair.leftSource), rowOf(after, pair.leftSource)];
    const [rightBefore, rightAfter] = [rowOf(before, pair.rightSource), rowOf(after, pair.rightSource)];
    if (sameRow(leftBefore, leftAfter) && sameRow(rightBefore, rightAfter)) continue;
    const was = differenceOf(pair, leftBefore, rightBefore);
    const is = differenceOf(pair, leftAfter, rightAfter);
    if (is !== null) {
      if (was === null || !sameDifference(was, is)) changes = { ...changes, upserts: [...changes.upserts, is] };
    } else if (was !== null) {
      const { kind: _kind, fields: _fields, ...removal } = was;
      changes = { ...changes, removals: [...changes.removals, removal] };
    }
  }
  return changes;
}

export const noDifferenceChanges: DifferenceChanges = { upserts: [], removals: [] };

/** The fields that are not plainly the same, which are few: no rule makes one value two. */
function otherThan(record: JsonObject, other: JsonObject): JsonObject {
  const rest: JsonObject = {};
  for (const field in record) if (record[field] !== other[field]) rest[field] = record[field]!;
  return rest;
}

function found(pair: DifferencePair, entityId: EntityId, kind: DifferenceKind, fields: JsonObject): Difference {
  const { leftSource, rightSource, configId } = pair;
  return { entityId, leftSource, rightSource, configId, entityKind: pair.kind, kind, fields };
}

function sameDifference(was: Difference, is: Difference): boolean {
  return was.kind === is.kind && (is.kind !== 'differs' || canonicalText(was.fields) === canonicalText(is.fields));
}

function rowOf(rows: readonly ComparedRow[], sourceType: string): ComparedRow | undefined {
  for (const row of rows) if (row.sourceType === sourceType) return row;
  return undefined;
}

function lives(row: ComparedRow | undefined): row is ComparedRow {
  return row !== undefined && !row.deleted;
}

function sameRow(before: ComparedRow | undefined, after: ComparedRow | undefined): boolean {
  if (before === after) return true;
  if (!lives(before) || !lives(after)) return !lives(before) && !lives(after);
  return before.checksum !== null && before.checksum === after.checksum;
}

function dataOf(row: ComparedRow): JsonObject {
  assert(row.data, `the ${row.sourceType} row of ${row.entityId} was read without its data`);
  return row.data;
}
