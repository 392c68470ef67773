import { createSourceDesk } from '../../adapters/postgres/source-desk.ts';
import { createSyncStore } from '../../adapters/postgres/sync-store.ts';
import { createTargetStore } from '../../adapters/postgres/target-store.ts';
import { createTargetBeliefs } from '../../adapters/postgres/verification-repairs.ts';
import { createVerificationTables } from '../../adapters/postgres/verification-tables.ts';
import type { RepairPart } from '../../connectors/repair.ts';
import { GoldenPublication } from '../../connectors/repair-publication.ts';
import { SourceRepair } from '../../connectors/repair-source.ts';
import { SystemRepair } from '../../connectors/repair-system.ts';
import type { TargetPlan } from '../../connectors/target-plan.ts';
import { type ComparedKind, sourceKind, targetKind } from '../../connectors/verifier-kind.ts';
import { StreamWatch } from '../../connectors/verifier-stream.ts';
import { SystemComparison } from '../../connectors/verifier-system.ts';
import type { EntityId } from '../../core/change-event.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { isReadable, type SystemReader } from '../../core/ports/system-reader.ts';
import type { TargetConnector } from '../../core/ports/target-connector.ts';
import type { PartName } from '../../core/ports/verification-ledger.ts';
import type { ProducerPool } from '../../core/producer-pool.ts';
import type { Finding } from '../../core/verify/finding.ts';
import { isRead } from '../configuration.ts';
import type { RoleContext } from './role-context.ts';
import { openSource } from './source-connectors.ts';
import { openTarget } from './target-connectors.ts';
import { targetPlans } from './target-plans.ts';

/** What is looked at more rarely is not waited for: what changed there since is called different until it was looked at. */
const toldAfterMsMax = 600_000;
const pushes = 'it sends its changes by itself and cannot be asked what it holds: its states are what it sent';
const unreadable = 'its connector cannot be asked what it holds';

export interface SystemsContext {
  readonly context: RoleContext;
  readonly producers: ProducerPool;
  /** What is wrong with the tables of these entities themselves. */
  inconsistencies(kind: string, entityIds: readonly EntityId[]): Promise<ReadonlyMap<EntityId, Finding>>;
}

export interface SystemParts {
  readonly parts: readonly { readonly name: PartName; readonly part: RepairPart | string }[];
  close(): Promise<void>;
}

/** Both halves of a configured system, as far as it has them. Connections of their own: nothing waits for what is read here. */
interface Opened {
  readonly system: string;
  readonly source: SourceConnector | undefined;
  readonly target: TargetConnector | undefined;
  readonly plans: ReadonlyMap<string, TargetPlan>;
}

/** Every kind of one system: of a target its rows, of a source that is only read its tables. */
export async function systemParts(systems: SystemsContext, system: string): Promise<SystemParts> {
  const { config, clock } = systems.context;
  const [source, target] = [config.sources[system], config.targets[system]];
  const plans = target === undefined ? [] : [...(await targetPlans(systems.context, system, target)).values()];
  const opened: Opened = {
    system,
    source: source !== undefined && isRead(source) ? await openSource(config, system, clock) : undefined,
    target: target === undefined ? undefined : await openTarget(system, target),
    plans: new Map(plans.map((plan) => [plan.kind, plan])),
  };
  const kinds = new Set([...Object.keys(source?.entities ?? {}), ...opened.plans.keys()]);
  const parts = await Promise.all(
    [...kinds].map(async (kind) => ({ name: { system, kind }, part: await partOf(systems, opened, kind) })),
  );
  return {
    parts,
    async close() {
      await Promise.all([opened.source?.close(), opened.target?.close()]);
    },
  };
}

async function partOf(systems: SystemsContext, opened: Opened, kind: string): Promise<RepairPart | string> {
  const { source, target } = opened;
  const plan = opened.plans.get(kind);
  if (plan !== undefined) {
    return target !== undefined && isReadable(target) ? targetPart(systems, opened, plan, target) : unreadable;
  }
  if (source === undefined) return pushes;
  return source.reader === undefined ? unreadable : sourcePart(systems, opened, kind, source.reader);
}

async function targetPart(
  systems: SystemsContext,
  opened: Opened,
  plan: TargetPlan,
  connector: TargetConnector & SystemReader,
): Promise<RepairPart> {
  const { context, producers } = systems;
  const { pool, clock, config, codecs } = context;
  const keyOf = (kind: string, row: Parameters<TargetConnector['keyOf']>[1]) => connector.keyOf(kind, row);
  const comparison = comparisonOf(context, opened, targetKind(plan, { keyOf }, clock), connector);
  const publication = new GoldenPublication({
    store: createSyncStore(pool),
    producers,
    topic: plan.resolvedTopic,
    partitions: config.kafka.partitions,
    codec: await codecs.for('golden', plan.resolvedTopic),
  });
  const repairing = new SystemRepair({
    plan,
    comparison,
    connector,
    store: createTargetStore(pool),
    guard: config.targets[plan.target]!.guard,
    beliefs: createTargetBeliefs(pool),
    publication,
    producers,
    clock,
    inconsistencies: (entityIds) => systems.inconsistencies(plan.kind, entityIds),
  });
  return { comparison, repairing };
}

async function sourcePart(
  { context, producers }: SystemsContext,
  opened: Opened,
  kind: string,
  reader: SystemReader,
): Promise<RepairPart> {
  const { plans, config, codecs, clock } = context;
  const plan = plans.find((one) => one.source === opened.system && one.kind === kind)!;
  const keyIsEntity = plans.every((one) => one.kind !== kind || one.identity === undefined);
  const comparison = comparisonOf(context, opened, sourceKind(plan, keyIsEntity), reader);
  const codec = await codecs.for('change', plan.rawTopic);
  const back = { topic: plan.rawTopic, partitions: config.kafka.partitions, codec };
  return { comparison, repairing: new SourceRepair({ source: opened.system, kind, comparison, back, producers, clock }) };
}

function comparisonOf(context: RoleContext, { system, source }: Opened, kind: ComparedKind, reader: SystemReader) {
  const { pool, clock } = context;
  const stream = source?.streams.find(({ kinds }) => kinds.includes(kind.kind));
  return new SystemComparison({
    kind,
    reader,
    store: createTargetStore(pool),
    tables: createVerificationTables(pool),
    stream:
      stream === undefined ? null : new StreamWatch({ source: system, stream: stream.name, desk: createSourceDesk(pool), clock }),
    toldAfterMs: stream === undefined ? 0 : toldAfterMs(context.config, system, kind.kind),
  });
}

/** A table that is looked at now and then tells of a change at its next look; of what is read from a log it is heard at once. */
function toldAfterMs({ sources, polling }: RoleContext['config'], system: string, kind: string): number {
  const { mode, every, cron, pollEvery } = (sources[system]?.entities[kind]?.options ?? {}) as Record<string, unknown>;
  if (mode === 'logical') return 0;
  if (mode === 'changelog') return Number(pollEvery);
  if (cron !== undefined) return toldAfterMsMax;
  return Math.min(typeof every === 'number' ? every : polling.intervalMs, toldAfterMsMax);
}
