import { checksumOf } from '../core/canonical/canonical.ts';
import { add, negate } from '../core/canonical/decimal.ts';
import { decimalOf, sameValue, writtenLike } from '../core/conflict/values.ts';
import { SyncError } from '../core/errors.ts';
import { fieldOf, type JsonObject } from '../core/json.ts';
import { TargetRejected, type TargetResult, type TargetRow } from '../core/ports/target-connector.ts';
import type { Echo, TargetLease, TargetSettlement, TargetView } from '../core/ports/target-store.ts';
import { throughBreaker } from './target-breaker.ts';
import type { TargetDeliveryDeps } from './target-delivery.ts';
import { comparableOrNot } from './target-intent.ts';
import { canonicalOf, type TargetPlan } from './target-plan.ts';

interface Unsure {
  readonly view: TargetView;
  readonly echo: Echo;
}

/** What a pending write-back turned out to be. */
type Finding =
  | { readonly kind: 'not-made' }
  | { readonly kind: 'made'; readonly replaced: JsonObject | null; readonly returned: TargetRow | null };

/**
 * Write-backs that were noted down and not completed: somebody died in between, and only the target knows whether they
 * were made. One by one, because there are no more of them than one batch had.
 */
export async function recover(
  deps: TargetDeliveryDeps,
  lease: TargetLease,
  plan: TargetPlan,
  views: readonly TargetView[],
): Promise<void> {
  const unsure = views.flatMap((view) =>
    view.echoes.flatMap((echo): Unsure[] => (echo.state === 'pending' ? [{ view, echo }] : [])),
  );
  const findings: (Unsure & { finding: Finding })[] = [];
  for (const each of unsure) findings.push({ ...each, finding: await findingOf(deps, plan, each.echo) });
  if (!(await deps.store.settle(lease, settlementOf(plan, findings), deps.guard.windowMs))) throw leaseLost(lease);
}

async function findingOf(deps: TargetDeliveryDeps, plan: TargetPlan, echo: Echo): Promise<Finding> {
  const decide = (found: TargetRow | null) =>
    found === null || echo.intended === null || isAsBefore(plan, echo, found) || isRecounted(plan, echo, found)
      ? ({ kind: 'leave' } as const)
      : ({ kind: 'probe', row: echo.intended } as const);
  let result: TargetResult;
  try {
    [result] = (await throughBreaker(deps.target, deps.breaker, () =>
      deps.connector.write(plan.kind, [{ key: echo.key, decide }]),
    )) as [TargetResult];
  } catch (error) {
    if (error instanceof TargetRejected) return { kind: 'not-made' };
    throw error;
  }
  if (result.kind === 'written') return { kind: 'made', replaced: echo.replaced, returned: result.returned };
  const { found } = result;
  if (found === null) {
    const made = echo.intended === null && echo.expected !== null;
    return made ? { kind: 'made', replaced: echo.replaced, returned: null } : { kind: 'not-made' };
  }
  return isRecounted(plan, echo, found)
    ? { kind: 'made', replaced: countsBefore(plan, echo, found), returned: found }
    : { kind: 'not-made' };
}

function isAsBefore(plan: TargetPlan, echo: Echo, found: TargetRow): boolean {
  if (plan.source === null) return comparableOrNot(plan, found) === echo.expected;
  try {
    return echo.replaced !== null && checksumOf(canonicalOf(plan.source, found)) === checksumOf(echo.replaced);
  } catch {
    return false;
  }
}

/** Everything but what is counted is as we meant it, and was not before; and the counts have moved. */
function isRecounted(plan: TargetPlan, echo: Echo, found: TargetRow): boolean {
  const { source } = plan;
  if (source === null || source.counters.length === 0 || echo.intended === null) return false;
  const meant = comparableOrNot(plan, echo.intended);
  if (meant === echo.expected || meant !== comparableOrNot(plan, found)) return false;
  const counts = canonicalOf(source, found);
  return source.counters.some((field) => !sameValue(fieldOf(counts, field), fieldOf(echo.replaced ?? {}, field)));
}

/** What stood there before us, as far as counts go: what is there now, less what we meant to add. */
function countsBefore(plan: TargetPlan, echo: Echo, found: TargetRow): JsonObject | null {
  if (echo.replaced === null) return null;
  const [meant, now] = [canonicalOf(plan.source!, echo.intended!), canonicalOf(plan.source!, found)];
  const before: JsonObject = { ...echo.replaced };
  for (const field of plan.source!.counters) {
    const was = fieldOf(echo.replaced, field);
    const [to, from, is] = [fieldOf(meant, field), was, fieldOf(now, field)].map(decimalOf);
    const shift = to === undefined || from === undefined ? undefined : add(to, negate(from));
    const count = shift === undefined || is === undefined ? undefined : add(is, negate(shift));
    if (count !== undefined) before[field] = writtenLike(was!, count);
  }
  return before;
}

function settlementOf(plan: TargetPlan, findings: readonly (Unsure & { finding: Finding })[]): TargetSettlement {
  const counts = { known: 0, changed: 0, deleted: 0 };
  const written: TargetSettlement['written'][number][] = [];
  const states: TargetSettlement['states'][number][] = [];
  for (const { view, echo, finding } of findings) {
    if (finding.kind === 'not-made') continue;
    const { returned } = finding;
    const canonical = returned === null || plan.source === null ? null : canonicalOf(plan.source, returned);
    const checksum = returned === null ? null : canonical === null ? plan.comparable(returned) : checksumOf(canonical);
    if (plan.source !== null) written.push({ id: echo.id, replaced: finding.replaced, returned: canonical, echo: checksum });
    const intended = echo.intended === null ? null : checksumOf(echo.intended);
    const { entityId, kind, key, version } = echo;
    states.push({ entityId, kind, key, version, intended, checksum, flips: view.state?.flips ?? 0, frozen: false });
    if (returned === null) counts.known--;
    else if (echo.expected === null) counts.known++;
    counts[returned === null ? 'deleted' : 'changed']++;
  }
  const closed = findings.flatMap(({ echo, finding }) => (finding.kind === 'not-made' || plan.source === null ? [echo.id] : []));
  return { written, closed, assured: [], states, letters: [], reached: [], counts };
}

export function leaseLost(lease: TargetLease): SyncError {
  return new SyncError('lease.lost', `${lease.topic}/${lease.partition} of ${lease.target} belongs to another process now`);
}
