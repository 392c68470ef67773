import { checksumOf } from '../core/canonical/canonical.ts';
import type { EntityId } from '../core/change-event.ts';
import type { GuardRules } from '../core/config/targets.ts';
import { SyncError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { TargetConnector, TargetRow } from '../core/ports/target-connector.ts';
import type { TargetStore } from '../core/ports/target-store.ts';
import type { TargetBeliefs } from '../core/ports/verification-repairs.ts';
import type { ProducerPool } from '../core/producer-pool.ts';
import type { Finding, Subject, Suspect } from '../core/verify/finding.ts';
import type { RepairAction } from '../core/verify/repair-plan.ts';
import type { GoldenPublication } from './repair-publication.ts';
import { objectionOf } from './target-guard.ts';
import { comparableOrNot } from './target-intent.ts';
import { foundMessages } from './target-notices.ts';
import type { TargetPlan } from './target-plan.ts';
import { neverTold } from './verifier-record.ts';
import type { RecordLook, SystemComparison } from './verifier-system.ts';

export interface PlannedRepair {
  readonly action: RepairAction;
  readonly reason: string | null;
}

/** How what differs at one kind of one system is brought back. */
export interface Repairing {
  /** What would be done about these, in their order. Changes nothing. */
  plan(suspects: readonly Suspect[], deleteUnknown: boolean): Promise<readonly PlannedRepair[]>;
  /** Does it. May be asked again for the same after a crash. */
  act(action: RepairAction, subjects: readonly Subject[]): Promise<void>;
}

export interface SystemRepairDeps {
  readonly plan: TargetPlan;
  readonly comparison: SystemComparison;
  readonly connector: TargetConnector;
  readonly store: Pick<TargetStore, 'guard' | 'pause'>;
  readonly guard: GuardRules;
  readonly beliefs: TargetBeliefs;
  readonly publication: GoldenPublication;
  readonly producers: ProducerPool;
  readonly clock: Clock;
  /** What is wrong with the tables of these entities themselves. */
  inconsistencies(entityIds: readonly EntityId[]): Promise<ReadonlyMap<EntityId, Finding>>;
}

export class SystemRepair implements Repairing {
  readonly #deps: SystemRepairDeps;

  constructor(deps: SystemRepairDeps) {
    this.#deps = deps;
  }

  async plan(suspects: readonly Suspect[], deleteUnknown: boolean): Promise<readonly PlannedRepair[]> {
    const wrong = await this.#deps.inconsistencies(suspects.flatMap(({ entityId }) => entityId ?? []));
    return suspects.map((suspect) => {
      const planned = actionFor(this.#deps.plan, suspect, deleteUnknown);
      const fault = planned.action === 'write' && suspect.entityId !== null ? wrong.get(suspect.entityId) : undefined;
      return fault === undefined ? planned : { action: 'none', reason: `what would be written is wrong itself: ${fault.reason}` };
    });
  }

  async act(action: RepairAction, subjects: readonly Subject[]): Promise<void> {
    const looks = await this.#deps.comparison.look(subjects);
    switch (action) {
      case 'write':
        return this.#write(looks);
      case 'tell':
        return this.#tell(looks);
      case 'delete':
        return this.#delete(looks);
      default:
        return;
    }
  }

  /** Its worker writes it, under its guard, where the row still is what we found. */
  async #write(looks: readonly RecordLook[]): Promise<void> {
    const { plan, beliefs, publication } = this.#deps;
    for (const { view, row } of looks) {
      if (plan.source !== null || view === null || view.state === null) continue;
      const checksum = comparableOrNot(plan, row);
      if (checksum !== undefined) await beliefs.found(plan.target, view.entityId, view.state, checksum);
    }
    await publication.publish(looks.flatMap(({ view }) => view?.entityId ?? []));
  }

  async #tell(looks: readonly RecordLook[]): Promise<void> {
    const { plan, producers, clock } = this.#deps;
    const { source } = plan;
    if (source === null) return;
    const messages = looks.flatMap(({ view, key, row }) =>
      key === null ? [] : foundMessages(plan, source.back, { own: view?.own ?? null }, key, row, clock.nowMs()),
    );
    await producers.send(messages);
  }

  /** Rows that are nobody's have no worker. What is deleted is the row that was seen, and only where still nobody knows it. */
  async #delete(looks: readonly RecordLook[]): Promise<void> {
    const { plan, connector, store, guard, clock } = this.#deps;
    const rows = looks.flatMap(({ view, key, row }) => (view === null && key !== null && row !== null ? [{ key, row }] : []));
    if (rows.length === 0) return;
    const objection = objectionOf(guard, await store.guard(plan.target), { changed: 0, deleted: rows.length }, clock.nowMs());
    if (objection !== undefined) {
      await store.pause(plan.target, objection);
      throw new SyncError('target.guarded', `${plan.target} is paused: ${objection}`, { details: { target: plan.target } });
    }
    const changes = rows.map(({ key, row }) => {
      const seen = checksumOf(row);
      const decide = (found: TargetRow | null) =>
        found !== null && checksumOf(found) === seen ? ({ kind: 'delete' } as const) : ({ kind: 'leave' } as const);
      return { key, decide };
    });
    await connector.write(plan.kind, changes);
  }
}

function actionFor(plan: TargetPlan, { finding, entityId, key }: Suspect, deleteUnknown: boolean): PlannedRepair {
  const { kind, reason } = finding;
  if (plan.source !== null && kind !== 'undelivered') {
    return reason === null || reason === neverTold ? { action: 'tell', reason: null } : { action: 'none', reason };
  }
  if (kind === 'missing_here' && entityId === null && key !== null) {
    if (!plan.deletes) return { action: 'none', reason: 'nothing is deleted there (`deletes: ignore`)' };
    if (!deleteUnknown) return { action: 'none', reason: 'nobody ever told of it: `--delete-unknown` deletes such rows' };
    return { action: 'delete', reason: null };
  }
  // A reason says that its worker will not, or cannot, write it.
  return reason === null ? { action: 'write', reason: null } : { action: 'none', reason };
}
