import { canonicalText, checksumOf } from '../core/canonical/canonical.ts';
import type { Checksum } from '../core/change-event.ts';
import type { EntityPlan } from '../core/entity-plan.ts';
import { isSyncError, type SyncError } from '../core/errors.ts';
import type { JsonObject, JsonValue } from '../core/json.ts';
import type { TargetRow } from '../core/ports/target-connector.ts';
import type { TargetView } from '../core/ports/target-store.ts';
import { differingFieldNames, plainlyDifferingFieldNames } from '../core/verify/field-names.ts';
import type { Finding, FindingKind } from '../core/verify/finding.ts';
import { comparableOrNot, holds, type Intent, intentOf } from './target-intent.ts';
import type { TargetPlan } from './target-plan.ts';

export const neverTold = 'it never told of it';
const keptReason = 'what others change there is kept (`onForeignChange: keep`)';

type KeyOf = (row: TargetRow) => string | undefined;

/** Whether a row in a system that is written to is what the tables say it should be. */
export function targetFindingOf(
  plan: TargetPlan,
  view: TargetView | null,
  row: TargetRow | null,
  keyOf: KeyOf,
  nowMs: number,
): Finding | null {
  if (plan.source === null) return mapped(() => targetFinding(plan, view, row));
  return saidFinding(plan.source.plan, view, row) ?? mapped(() => undelivered(plan, view, row, keyOf, nowMs));
}

/** Whether a row of a source is what it said. */
export function saidFinding(plan: EntityPlan, view: TargetView | null, row: TargetRow | null): Finding | null {
  return mapped(() => sourceFinding(plan, view, row));
}

/** Why a row cannot be told at all. */
export function faultFinding(view: TargetView | null, fault: SyncError): Finding {
  return finding((view?.own?.data ?? null) === null ? 'missing_here' : 'differs', [], causeOf(fault));
}

function mapped(compare: () => Finding | null): Finding | null {
  try {
    return compare();
  } catch (error) {
    if (!isSyncError(error)) throw error;
    return finding('differs', [], causeOf(error));
  }
}

function causeOf({ code, message }: SyncError): string {
  return `${code}: ${message}`;
}

/** Two sides of a record as they are now: each changes with whatever a change in flight changes. */
export function sidesOf(view: TargetView | null, row: TargetRow | null): { here: Checksum; there: Checksum } {
  if (view === null) return { here: textChecksum('null'), there: textChecksum(canonicalText(row)) };
  const { golden, own, state, echoes } = view;
  const here: JsonValue[] = [
    [golden.version, golden.deleted, golden.data],
    own === null ? null : [own.turn, own.position, own.data],
    state === null ? null : [state.version, state.intended, state.checksum, state.frozen],
    echoes.map(({ id, state: echo }) => [id, echo]),
  ];
  return { here: textChecksum(canonicalText(here)), there: textChecksum(canonicalText(row)) };
}

function textChecksum(text: string): Checksum {
  return checksumOf(text);
}

/** A system that only takes what we write: what it should hold is the golden record, as it makes it. */
function targetFinding(plan: TargetPlan, view: TargetView | null, row: TargetRow | null): Finding | null {
  if (view === null) return row === null ? null : finding('missing_here', [], 'nobody ever told of it');
  const { golden, state } = view;
  if (golden.deleted && !plan.deletes) return null;
  const wanted = golden.deleted || golden.data === null ? null : plan.rowOf(golden.data);
  const cause = state?.frozen ? 'it is frozen: see its letter' : null;
  if (wanted === null) return row === null ? null : finding('missing_here', [], cause);
  if (row === null) return finding('missing_there', [], cause);
  // What the system made of this very row is remembered; of any other only that it holds what is wanted can be told.
  const written = state !== null && state.intended === checksumOf(wanted);
  if (written ? comparableOrNot(plan, row) === state.checksum : holds(row, wanted)) return null;
  const kept = plan.onForeignChange === 'keep' ? keptReason : null;
  return finding('differs', plainlyDifferingFieldNames(wanted, row), cause ?? kept);
}

function sourceFinding(plan: EntityPlan, view: TargetView | null, row: TargetRow | null): Finding | null {
  const [here, there] = [view?.own?.data ?? null, row === null ? null : plan.mapping.map(row)];
  if (here === null && there !== null) return finding('missing_here', [], view === null ? neverTold : null);
  if (here !== null && there === null) return finding('missing_there', [], null);
  if (here === null || there === null || isSame(plan, here, there)) return null;
  return finding('differs', differingFieldNames(here, there), null);
}

/** Smaller differences than the source's own rules count are not stored. */
function isSame({ comparison }: EntityPlan, here: JsonObject, there: JsonObject): boolean {
  if (checksumOf(here) === checksumOf(there)) return true;
  return comparison.same(comparison.fingerprint(here), comparison.fingerprint(there));
}

/** What the target's own worker would still have to do. */
function undelivered(
  plan: TargetPlan,
  view: TargetView | null,
  row: TargetRow | null,
  keyOf: KeyOf,
  nowMs: number,
): Finding | null {
  if (view === null) return null;
  const thawed = view.state === null ? view : { ...view, state: { ...view.state, frozen: false } };
  const intent = intentOf(plan, thawed, keyOf, nowMs);
  if (view.state?.frozen)
    return intent.kind === 'skip' ? null : finding('undelivered', fieldsOf(intent, row), 'it is frozen: see its letter');
  switch (intent.kind) {
    case 'skip':
    case 'look':
      return null;
    case 'write':
      return intent.judge(row).kind === 'same' ? null : finding('undelivered', fieldsOf(intent, row), null);
    case 'freeze':
      return finding('undelivered', intent.fields, 'the system turns our writes back');
    case 'reject':
      return finding('undelivered', [], causeOf(intent.error));
    case 'no-key':
      return finding('undelivered', [], 'the row has no key for the target');
  }
}

function fieldsOf(intent: Intent, row: TargetRow | null): string[] {
  return intent.kind !== 'write' || intent.row === null || row === null ? [] : plainlyDifferingFieldNames(intent.row, row);
}

function finding(kind: FindingKind, fields: readonly string[], reason: string | null): Finding {
  return { kind, fields, reason };
}
