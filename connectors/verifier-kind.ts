import type { EntityPlan } from '../core/entity-plan.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { TargetConnector, TargetRow } from '../core/ports/target-connector.ts';
import type { TargetView } from '../core/ports/target-store.ts';
import type { VerifiedKind } from '../core/ports/verification-tables.ts';
import type { Finding } from '../core/verify/finding.ts';
import { keyAt } from './target-intent.ts';
import type { TargetPlan } from './target-plan.ts';
import { saidFinding, targetFindingOf } from './verifier-record.ts';

/** One kind of one system, and how its records are judged. */
export interface ComparedKind extends VerifiedKind {
  /** The target whose writes have to be waited for; null where nothing is written. */
  readonly target: string | null;
  /** Under which key the system has, or should have, the record. */
  keyOf(view: TargetView): string | undefined;
  /** The key as the row itself writes it; undefined as a whole where a row under another spelling is another row. */
  readonly spelledKeyOf?: (row: TargetRow) => string | undefined;
  /** Whether a row in the system is what the tables say it should be. `view` is null where no record of ours is known by its key. */
  findingOf(view: TargetView | null, row: TargetRow | null): Finding | null;
}

/** A system that is written to, whether it is a source as well or not. */
export function targetKind(plan: TargetPlan, { keyOf }: Pick<TargetConnector, 'keyOf'>, clock: Clock): ComparedKind {
  const { target, kind, keyIsEntity, source } = plan;
  const spelledKeyOf = (row: TargetRow) => keyOf(kind, row);
  return {
    name: target,
    kind,
    keyIsEntity,
    sourceType: source?.plan.sourceType ?? null,
    target,
    keyOf: (view) => keyAt(plan, view, source === null ? saidKey(plan, view, spelledKeyOf) : undefined),
    spelledKeyOf,
    findingOf: (view, row) => targetFindingOf(plan, view, row, spelledKeyOf, clock.nowMs()),
  };
}

/** A golden record that cannot be mapped has no row: what is wrong with it is told when it is compared. */
function saidKey(
  plan: TargetPlan,
  { golden }: TargetView,
  spelledKeyOf: (row: TargetRow) => string | undefined,
): string | undefined {
  if (golden.data === null) return undefined;
  try {
    return spelledKeyOf(plan.rowOf(golden.data));
  } catch {
    return undefined;
  }
}

/** A system that is only read: what it holds is what it said. */
export function sourceKind(plan: EntityPlan, keyIsEntity: boolean): ComparedKind {
  const { source, kind, sourceType } = plan;
  return {
    name: source,
    kind,
    keyIsEntity,
    sourceType,
    target: null,
    keyOf({ own, boundKey, entityId }) {
      // What it does not have, as far as we know, is met where its rows are read.
      if (own === null || own.data === null) return undefined;
      return boundKey ?? (keyIsEntity ? entityId.slice(kind.length + 1) : undefined);
    },
    findingOf: (view, row) => saidFinding(plan, view, row),
  };
}
