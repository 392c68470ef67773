import { randomUUID } from 'node:crypto';
import { checksumOf } from '../core/canonical/canonical.ts';
import type { EntityId } from '../core/change-event.ts';
import type { CircuitBreaker } from '../core/circuit-breaker.ts';
import type { GuardRules } from '../core/config/targets.ts';
import { SyncError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { OutgoingRecord } from '../core/ports/event-log.ts';
import {
  type TargetChange,
  type TargetConnector,
  TargetRejected,
  type TargetResult,
  type TargetRow,
} from '../core/ports/target-connector.ts';
import type { NewEcho, TargetLease, TargetStore, TargetView } from '../core/ports/target-store.ts';
import type { Telemetry } from '../core/ports/telemetry.ts';
import type { ProducerPool } from '../core/producer-pool.ts';
import { throughBreaker } from './target-breaker.ts';
import { objectionOf } from './target-guard.ts';
import {
  comparableOrNot,
  decisionOf,
  echoOf,
  type Intent,
  intentOf,
  recountedIntent,
  type WriteIntent,
} from './target-intent.ts';
import { acknowledgementMessage, forgetMessage, foundMessages } from './target-notices.ts';
import { canonicalOf, type TargetPlan } from './target-plan.ts';
import { leaseLost, recover } from './target-recovery.ts';
import { Settlement } from './target-settlement.ts';

export interface TargetDeliveryDeps {
  readonly target: string;
  readonly connector: TargetConnector;
  readonly breaker: CircuitBreaker;
  readonly store: TargetStore;
  readonly producers: ProducerPool;
  readonly guard: GuardRules;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

interface Written {
  readonly intent: WriteIntent;
  readonly echo: NewEcho;
  readonly result: TargetResult | TargetRejected;
}

interface Recounted {
  readonly ready: readonly WriteIntent[];
  readonly refused: readonly { readonly intent: WriteIntent; readonly found: TargetRow | null }[];
}

/**
 * Invariant 8. Brings entities of one kind at the target to what their golden records say. What is about to be written is noted before
 * the write and completed after it, and the word of it is out before the caller may move on.
 */
export class TargetDelivery {
  readonly #deps: TargetDeliveryDeps;

  constructor(deps: TargetDeliveryDeps) {
    this.#deps = deps;
  }

  /** `fresh`: nobody knows what the owner before has sent, so what may be unheard is said again. */
  async deliver(lease: TargetLease, plan: TargetPlan, entityIds: readonly EntityId[], fresh: boolean): Promise<void> {
    if (entityIds.length === 0) return;
    let views = await this.#look(plan, entityIds);
    const unsure = views.some(({ echoes }) => echoes.some(({ state }) => state === 'pending'));
    if (unsure) {
      await recover(this.#deps, lease, plan, views);
      views = await this.#look(plan, entityIds);
    }
    if (fresh || unsure) await this.#acknowledgeAgain(plan, views);
    const nowMs = this.#deps.clock.nowMs();
    const intents = views.map((view) => intentOf(plan, view, (row) => this.#deps.connector.keyOf(plan.kind, row), nowMs));
    const settlement = new Settlement(plan);
    const writes = await this.#admitted(plan, intents, settlement);
    if (writes.length > 0) await this.#guard(writes);
    const { ready, refused } = await this.#recounted(plan, writes);
    const messages = refused.flatMap(({ intent, found }) => this.#conclude(plan, settlement, intent, null, found, nowMs));
    messages.push(...(await this.#lookAgain(plan, intents, settlement, nowMs)));
    for (const { intent, echo, result } of await this.#write(lease, plan, ready)) {
      if (result instanceof TargetRejected) settlement.rejected(intent.view, echo, result);
      else if (result.kind === 'left') messages.push(...this.#conclude(plan, settlement, intent, echo, result.found, nowMs));
      else messages.push(...this.#concludeWritten(plan, settlement, intent, echo, result));
    }
    if (!settlement.isEmpty) await this.#settle(lease, settlement);
    await this.#deps.producers.send(messages);
    this.#tell(settlement, views.length);
  }

  #look(plan: TargetPlan, entityIds: readonly EntityId[]): Promise<readonly TargetView[]> {
    const identity = { name: plan.target, sourceType: plan.source?.plan.sourceType ?? null };
    return this.#deps.store.look(identity, plan.kind, entityIds);
  }

  async #acknowledgeAgain(plan: TargetPlan, views: readonly TargetView[]): Promise<void> {
    const { source } = plan;
    if (source === null) return;
    const unheard = views.flatMap(({ echoes }) => echoes.filter(({ state }) => state === 'written'));
    await this.#deps.producers.send(unheard.map((echo) => acknowledgementMessage(plan, source, echo)));
  }

  /** Those that can be written; the others go to the letters. */
  async #admitted(plan: TargetPlan, intents: readonly Intent[], settlement: Settlement): Promise<WriteIntent[]> {
    const writes: WriteIntent[] = [];
    for (const intent of intents) {
      switch (intent.kind) {
        case 'skip':
          settlement.skipped(intent.view);
          break;
        case 'freeze':
          settlement.frozen(intent.view, intent.fields);
          break;
        case 'reject':
          settlement.letter(intent.view, null, intent.error.code, intent.error.message, intent.error.details);
          break;
        case 'no-key':
          settlement.letter(intent.view, null, 'target.rejected', 'the row has no key for the target', { row: intent.row });
          break;
        case 'write':
          writes.push(intent);
          break;
        case 'look':
          break;
      }
    }
    return this.#bound(plan, writes, settlement);
  }

  /** A record that is new at a source must find its entity when the source tells of it. */
  async #bound(plan: TargetPlan, writes: readonly WriteIntent[], settlement: Settlement): Promise<WriteIntent[]> {
    const unbound = plan.source === null || plan.keyIsEntity ? [] : writes.filter(({ view }) => view.boundKey === null);
    if (unbound.length === 0) return [...writes];
    const keys = unbound.map(({ view, key }) => ({ entityId: view.entityId, key }));
    const taken = await this.#deps.store.bind(plan.target, plan.kind, keys);
    return writes.filter(({ view, key }) => {
      const other = taken.get(view.entityId);
      if (other !== undefined)
        settlement.letter(view, key, 'identity.conflict', `the key ${key} belongs to ${other} there`, { other });
      return other === undefined;
    });
  }

  async #guard(writes: readonly WriteIntent[]): Promise<void> {
    const { store, target, guard, clock } = this.#deps;
    const known = writes.filter(({ view }) => view.own?.data != null || view.state?.checksum != null);
    const deleted = known.filter(({ row }) => row === null).length;
    const objection = objectionOf(guard, await store.guard(target), { changed: known.length - deleted, deleted }, clock.nowMs());
    if (objection === undefined) return;
    await store.pause(target, objection);
    throw new SyncError('target.guarded', `${target} is paused: ${objection}`, { details: { target } });
  }

  async #write(lease: TargetLease, plan: TargetPlan, writes: readonly WriteIntent[]): Promise<Written[]> {
    if (writes.length === 0) return [];
    const echoes = writes.map((intent) => newEcho(plan, intent));
    if (!(await this.#deps.store.begin(lease, echoes))) throw leaseLost(lease);
    const { source } = plan;
    if (source?.echoes === false) await this.#deps.producers.send(writes.map(({ key }) => forgetMessage(source.back, key)));
    const results = await this.#writeAll(plan, writes);
    return writes.map((intent, index) => ({ intent, echo: echoes[index]!, result: results[index]! }));
  }

  /**
   * Where something is counted the target is asked how much it is right before: what is noted down must tell, after a
   * crash, whose doing the count is.
   */
  async #recounted(plan: TargetPlan, writes: readonly WriteIntent[]): Promise<Recounted> {
    if (plan.source === null || plan.source.counters.length === 0) return { ready: writes, refused: [] };
    const ready: WriteIntent[] = [];
    const refused: Recounted['refused'][number][] = [];
    const results = writes.length === 0 ? [] : await this.#call(() => this.#deps.connector.write(plan.kind, writes.map(lookAt)));
    for (const [index, intent] of writes.entries()) {
      const result = results[index]!;
      const found = result.kind === 'left' ? result.found : null;
      if (intent.judge(found).kind === 'refused') refused.push({ intent, found });
      else ready.push(recountedIntent(plan, intent, found));
    }
    return { ready, refused };
  }

  /** Where a word of the system was taken for an echo or for older than our write by its looks alone, what stands there decides. */
  async #lookAgain(
    plan: TargetPlan,
    intents: readonly Intent[],
    settlement: Settlement,
    nowMs: number,
  ): Promise<OutgoingRecord[]> {
    const { source } = plan;
    const doubtful = intents.filter((intent) => intent.kind === 'look');
    if (source === null || doubtful.length === 0) return [];
    const results = await this.#call(() => this.#deps.connector.write(plan.kind, doubtful.map(lookAt)));
    return doubtful.flatMap(({ view, key, expected }, index): OutgoingRecord[] => {
      const result = results[index]!;
      const found = result.kind === 'left' ? result.found : null;
      if (wholeOrNot(plan, found) === expected.whole) {
        settlement.assured(view);
        return [];
      }
      settlement.refused(null);
      return foundMessages(plan, source.back, view, key, found, nowMs);
    });
  }

  /** Halves find the row at fault, and the rest is written. */
  async #writeAll(plan: TargetPlan, writes: readonly WriteIntent[]): Promise<(TargetResult | TargetRejected)[]> {
    const changes = writes.map(({ key, judge }) => ({ key, decide: (found: TargetRow | null) => decisionOf(judge(found)) }));
    try {
      return [...(await this.#call(() => this.#deps.connector.write(plan.kind, changes)))];
    } catch (error) {
      if (!(error instanceof TargetRejected)) throw error;
      if (writes.length === 1) return [error];
      const middle = writes.length >> 1;
      const first = await this.#writeAll(plan, writes.slice(0, middle));
      return [...first, ...(await this.#writeAll(plan, writes.slice(middle)))];
    }
  }

  /** A row that is refused says nothing of how the target is. */
  async #call<T>(work: () => Promise<T>): Promise<T> {
    const outcome = await throughBreaker(this.#deps.target, this.#deps.breaker, async () => {
      try {
        return { value: await work() };
      } catch (error) {
        if (error instanceof TargetRejected) return { error };
        throw error;
      }
    });
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** What was not written; without an echo where that was known before. */
  #conclude(
    plan: TargetPlan,
    settlement: Settlement,
    intent: WriteIntent,
    echo: NewEcho | null,
    found: TargetRow | null,
    nowMs: number,
  ): OutgoingRecord[] {
    switch (intent.judge(found).kind) {
      case 'refused':
        settlement.refused(echo);
        return plan.source === null ? [] : foundMessages(plan, plan.source.back, intent.view, intent.key, found, nowMs);
      case 'kept':
        settlement.kept(intent, echo);
        return [];
      default:
        settlement.same(intent, echo, wholeChecksum(plan, found));
        return [];
    }
  }

  #concludeWritten(
    plan: TargetPlan,
    settlement: Settlement,
    intent: WriteIntent,
    echo: NewEcho,
    { replaced, returned }: Extract<TargetResult, { kind: 'written' }>,
  ): OutgoingRecord[] {
    const foreign = plan.source === null && comparableOrNot(plan, replaced) !== intent.expected.checksum;
    if (plan.source === null) {
      settlement.written(intent, echo, null, null, plan.comparable(returned), { foreign, found: replaced });
      return [];
    }
    try {
      const before = replaced === null ? null : canonicalOf(plan.source, replaced);
      const after = returned === null ? null : canonicalOf(plan.source, returned);
      const checksum = after === null ? null : checksumOf(after);
      settlement.written(intent, echo, before, after, checksum, { foreign, found: replaced });
      const word = acknowledgementMessage(plan, plan.source, { ...echo, replaced: before, returned: after });
      return plan.source.echoes ? [word] : [word, forgetMessage(plan.source.back, intent.key)];
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      // The source's own mapping does not understand what stands there now; its next change says more.
      settlement.rejected(intent.view, echo, error);
      return [];
    }
  }

  async #settle(lease: TargetLease, settlement: Settlement): Promise<void> {
    const { store, guard } = this.#deps;
    if (!(await store.settle(lease, settlement.facts(), guard.windowMs))) throw leaseLost(lease);
  }

  #tell({ tally, letters }: Settlement, records: number): void {
    const { telemetry, target } = this.#deps;
    telemetry.recordsIn({ stage: 'target', source: target, records });
    for (const [outcome, count] of tally) telemetry.recordsOut({ stage: 'target', source: target, outcome, records: count });
    for (const { code, reason, key } of letters) {
      telemetry.deadLettered({ stage: 'target', source: target, code, reason, correlationId: null, key });
    }
  }
}

function newEcho(plan: TargetPlan, intent: WriteIntent): NewEcho {
  const { view, key, row, expected } = intent;
  const { version, eventId, knowledge } = view.golden;
  return {
    id: randomUUID(),
    entityId: view.entityId,
    kind: plan.kind,
    key,
    version,
    eventId,
    through: expected.through,
    knowledge,
    expected: expected.checksum,
    intended: row,
    replaced: expected.data,
    echo: echoOf(plan, intent),
  };
}

function lookAt({ key }: { readonly key: string }): TargetChange {
  return { key, decide: () => ({ kind: 'leave' }) };
}

/** A row that its own mapping does not understand is none that we expect. */
function wholeOrNot(plan: TargetPlan, row: TargetRow | null) {
  try {
    return wholeChecksum(plan, row);
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return undefined;
  }
}

function wholeChecksum(plan: TargetPlan, row: TargetRow | null) {
  if (row === null) return null;
  return plan.source === null ? plan.comparable(row) : checksumOf(canonicalOf(plan.source, row));
}
