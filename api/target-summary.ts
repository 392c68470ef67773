import { isJsonObject, type JsonObject } from '../core/json.ts';
import type { RoleView } from '../core/ports/read-store.ts';
import type { TargetDesk } from '../core/ports/target-desk.ts';

/** Whether a target gets what it should, and what holds it back. */
export interface TargetSummary {
  readonly target: string;
  readonly state: 'running' | 'paused' | 'unreachable';
  /** Null where it runs. */
  readonly reason: string | null;
  /** Records it refused: those that wait for somebody, and those about to be tried again. */
  readonly letters: { readonly parked: number; readonly replaying: number };
}

export async function targetSummaries(
  desk: TargetDesk,
  targets: readonly string[],
  roles: readonly RoleView[],
): Promise<TargetSummary[]> {
  if (targets.length === 0) return [];
  const guards = new Map((await desk.guards()).map((guard) => [guard.target, guard]));
  return Promise.all(
    targets.map(async (target): Promise<TargetSummary> => {
      const count = (status: 'parked' | 'replaying') => desk.count({ target, status: [status] });
      const [parked, replaying] = await Promise.all([count('parked'), count('replaying')]);
      const guard = guards.get(target);
      const breaker = openBreakerOf(target, roles);
      const held =
        guard?.state === 'paused'
          ? { state: 'paused' as const, reason: guard.reason }
          : breaker === undefined
            ? { state: 'running' as const, reason: null }
            : { state: 'unreachable' as const, reason: breaker };
      return { target, ...held, letters: { parked, replaying } };
    }),
  );
}

/** Why a process that writes to the target does not reach it, as it last said. */
function openBreakerOf(target: string, roles: readonly RoleView[]): string | undefined {
  for (const { role, details } of roles) {
    const all = role === 'target' ? details.targets : undefined;
    const own = isJsonObject(all) && Object.hasOwn(all, target) ? (all[target] as JsonObject) : undefined;
    if (isJsonObject(own) && own.breaker !== 'closed') return String(own.reason ?? own.breaker);
  }
  return undefined;
}
