import { canonicalText, checksumOf } from '../core/canonical/canonical.ts';
import { add, negate } from '../core/canonical/decimal.ts';
import type { Checksum } from '../core/change-event.ts';
import { decimalOf, sameValue, writtenLike } from '../core/conflict/values.ts';
import { isSyncError, type SyncError } from '../core/errors.ts';
import { fieldOf, type JsonObject } from '../core/json.ts';
import type { TargetDecision, TargetRow } from '../core/ports/target-connector.ts';
import type { Echo, TargetState, TargetView } from '../core/ports/target-store.ts';
import { canonicalOf, type TargetPlan, uncounted } from './target-plan.ts';

/** What is believed to stand at the target. */
interface Expectation {
  readonly data: JsonObject | null;
  /** In the form that is compared; null: nothing. */
  readonly checksum: Checksum | null;
  /** The same with what is counted. */
  readonly whole: Checksum | null;
  /** The turn of the target's own row that this follows from. */
  readonly through: number;
}

export type Judgement =
  | { readonly kind: 'write'; readonly row: TargetRow }
  | { readonly kind: 'delete' }
  /** It stands there already. */
  | { readonly kind: 'same' }
  /** Somebody changed it there and will tell, or we tell in their stead. */
  | { readonly kind: 'refused' }
  /** Somebody changed it there, and theirs it stays. */
  | { readonly kind: 'kept' };

export interface WriteIntent {
  readonly kind: 'write';
  readonly view: TargetView;
  readonly key: string;
  /** The golden data that `row` is made of. */
  readonly data: JsonObject | null;
  readonly row: TargetRow | null;
  readonly expected: Expectation;
  readonly flips: number;
  judge(found: TargetRow | null): Judgement;
}

export type Intent =
  | { readonly kind: 'skip'; readonly view: TargetView }
  | { readonly kind: 'freeze'; readonly view: TargetView; readonly fields: readonly string[] }
  | { readonly kind: 'reject'; readonly view: TargetView; readonly error: SyncError }
  /** It is there as far as we know, but something that the system said leaves a doubt. */
  | { readonly kind: 'look'; readonly view: TargetView; readonly key: string; readonly expected: Expectation }
  | { readonly kind: 'no-key'; readonly view: TargetView; readonly row: TargetRow }
  | WriteIntent;

/** A field that is turned back later than this after our write is somebody's decision, not a reflex. */
const reflexMs = 60_000;
const flipsMax = 2;

/** What has to be done at the target so that it holds the golden record: a function of what the tables say. */
export function intentOf(
  plan: TargetPlan,
  view: TargetView,
  keyOf: (row: TargetRow) => string | undefined,
  nowMs: number,
): Intent {
  const { golden, state } = view;
  if (state?.frozen) return { kind: 'skip', view };
  if (golden.deleted && !plan.deletes) return { kind: 'skip', view };
  let row: TargetRow | null;
  let back: JsonObject | null;
  try {
    row = golden.deleted || golden.data === null ? null : plan.rowOf(golden.data);
    back = row === null || plan.source === null ? null : backOf(plan, row);
  } catch (error) {
    if (!isSyncError(error)) throw error;
    return { kind: 'reject', view, error };
  }
  const expected = expectationOf(plan, view);
  const intended = row === null ? null : checksumOf(row);
  if (isThere(plan, view, { row, back, intended, expected })) {
    const known = isDoubted(view) ? keyAt(plan, view, row === null ? undefined : keyOf(row)) : undefined;
    return known === undefined ? { kind: 'skip', view } : { kind: 'look', view, key: known, expected };
  }
  const flipped = flippedFields(plan, view, nowMs);
  const flips = flipped.length === 0 ? 0 : (state?.flips ?? 0) + 1;
  if (flips >= flipsMax) return { kind: 'freeze', view, fields: flipped };
  const key = keyAt(plan, view, row === null ? undefined : keyOf(row));
  if (key === undefined) return row === null ? { kind: 'skip', view } : { kind: 'no-key', view, row };
  const { data } = golden;
  return { kind: 'write', view, key, data, row, expected, flips, judge: judgeOf(plan, data, row, expected) };
}

export function isDoubted({ echoes }: TargetView): boolean {
  return echoes.some(({ doubted }) => doubted);
}

/** Of the record as its system will tell it once it is written; null where that is not known. */
export function echoOf(plan: TargetPlan, { row, expected }: WriteIntent): Checksum | null {
  const back = row === null || plan.source === null ? null : backOf(plan, row);
  return back === null ? null : checksumOf({ ...expected.data, ...back });
}

export function decisionOf(judgement: Judgement): TargetDecision {
  return judgement.kind === 'write' || judgement.kind === 'delete' ? judgement : { kind: 'leave' };
}

/** The key it is known by; a record that is new there gets the one its row says. */
export function keyAt(plan: TargetPlan, { state, boundKey, entityId }: TargetView, said: string | undefined): string | undefined {
  const known = state?.key ?? boundKey ?? undefined;
  if (known !== undefined) return known;
  const named = plan.keyIsEntity ? entityId.slice(plan.kind.length + 1) : undefined;
  // As a source it names its records itself, and there the name of the entity is what it said.
  return plan.source === null ? (said ?? named) : (named ?? said);
}

function expectationOf(plan: TargetPlan, view: TargetView): Expectation {
  const { source } = plan;
  if (source === null) {
    const checksum = view.state?.checksum ?? null;
    return { data: null, checksum, whole: checksum, through: 0 };
  }
  const through = view.own?.turn ?? 0;
  // What we wrote last stands there, as long as the source has not said anything since and its row does not show it yet.
  const unheard = view.echoes.findLast((echo) => echo.state === 'written' && echo.through >= through);
  const data = unheard === undefined ? (view.own?.data ?? null) : unheard.returned;
  return { data, checksum: uncounted(source, data), whole: data === null ? null : checksumOf(data), through };
}

interface Aim {
  readonly row: TargetRow | null;
  readonly back: JsonObject | null;
  readonly intended: Checksum | null;
  readonly expected: Expectation;
}

function isThere(plan: TargetPlan, { state }: TargetView, { row, back, intended, expected }: Aim): boolean {
  // It holds what it made of this very row, however that looks.
  if (state !== null && state.intended === intended && state.checksum === expected.whole) return true;
  if (row === null) return expected.whole === null;
  if (plan.source === null || expected.data === null || back === null) return false;
  const { data } = expected;
  return Object.entries(back).every(([field, value]) => sameOrNothing(value, fieldOf(data, field)));
}

function sameOrNothing(left: JsonObject[string], right: JsonObject[string] | undefined): boolean {
  return left === null ? right === null || right === undefined : sameValue(left, right);
}

/** A source's mapping may need more than we write; then it does not tell beforehand. */
function backOf(plan: TargetPlan, row: TargetRow): JsonObject | null {
  try {
    return canonicalOf(plan.source!, row);
  } catch (error) {
    if (!isSyncError(error)) throw error;
    return null;
  }
}

function judgeOf(plan: TargetPlan, data: JsonObject | null, row: TargetRow | null, expected: Expectation) {
  return (found: TargetRow | null): Judgement => {
    const asExpected = comparableOrNot(plan, found) === expected.checksum;
    if (!asExpected && plan.source !== null) return { kind: 'refused' };
    const counted = row === null || found === null ? null : recounted(plan, data, expected, found);
    const wanted = counted === null ? row : plan.rowOf(counted);
    if (wanted === null ? found === null : found !== null && holds(found, wanted)) return { kind: 'same' };
    if (!asExpected && plan.onForeignChange === 'keep') return { kind: 'kept' };
    return wanted === null ? { kind: 'delete' } : { kind: 'write', row: wanted };
  };
}

/** A row that its own mapping does not understand is none that we expect. */
export function comparableOrNot(plan: TargetPlan, row: TargetRow | null): Checksum | null | undefined {
  try {
    return plan.comparable(row);
  } catch (error) {
    if (!isSyncError(error)) throw error;
    return undefined;
  }
}

export function holds(found: TargetRow, wanted: TargetRow): boolean {
  return Object.entries(wanted).every(([field, value]) => canonicalText(fieldOf(found, field) ?? null) === canonicalText(value));
}

/**
 * The same intent from what is counted there now. A write-back is noted with what it replaces, so that a process that
 * comes after a crash can tell from the count whether it was made.
 */
export function recountedIntent(plan: TargetPlan, intent: WriteIntent, found: TargetRow | null): WriteIntent {
  const data = found === null || intent.row === null ? null : recounted(plan, intent.data, intent.expected, found);
  if (data === null || comparableOrNot(plan, found) !== intent.expected.checksum) return intent;
  const expected = { ...intent.expected, data: canonicalOf(plan.source!, found!) };
  const row = plan.rowOf(data);
  return { ...intent, data, row, expected, judge: judgeOf(plan, data, row, expected) };
}

/** What is counted moves by as much as it should, from wherever it is by now. Null where nothing is counted. */
function recounted(plan: TargetPlan, golden: JsonObject | null, expected: Expectation, found: TargetRow): JsonObject | null {
  const { source } = plan;
  if (source === null || source.counters.length === 0 || expected.data === null || golden === null) return null;
  const counts = canonicalOf(source, found);
  const data: JsonObject = { ...golden };
  for (const field of source.counters) {
    const wanted = fieldOf(golden, field);
    const [to, from, now] = [wanted, fieldOf(expected.data, field), fieldOf(counts, field)].map(decimalOf);
    const shift = to === undefined || from === undefined ? undefined : add(to, negate(from));
    const sum = shift === undefined || now === undefined ? undefined : add(now, shift);
    if (sum !== undefined) data[field] = writtenLike(wanted!, sum);
  }
  return data;
}

/** Fields that the source turned back to what they were before our last write, and soon after it. */
function flippedFields(plan: TargetPlan, { own, echoes }: TargetView, nowMs: number): string[] {
  const last = echoes.findLast((echo): echo is Echo => echo.state === 'written' || echo.state === 'acknowledged');
  if (plan.source === null || own === null || own.data === null || last === undefined || own.turn <= last.through) return [];
  const { replaced, returned } = last;
  if (replaced === null || returned === null || nowMs - last.updatedAtMs > reflexMs) return [];
  const { data } = own;
  const wasChanged = Object.keys(returned).filter(
    (field) => !plan.source!.counters.includes(field) && !sameValue(fieldOf(returned, field), fieldOf(replaced, field)),
  );
  return wasChanged.filter((field) => sameValue(fieldOf(data, field), fieldOf(replaced, field)));
}

/** The state after a write of this row that left `checksum` there. */
export function stateAfter({ key, view, flips }: WriteIntent, row: TargetRow | null, checksum: Checksum | null): TargetState {
  const intended = row === null ? null : checksumOf(row);
  return { key, version: view.golden.version, intended, checksum, flips, frozen: false };
}

/** The row that was written where `found` stood: what is counted was moved from there. */
export function rowWritten(intent: WriteIntent, found: TargetRow | null): TargetRow | null {
  const judgement = intent.judge(found);
  return judgement.kind === 'write' ? judgement.row : intent.row;
}
