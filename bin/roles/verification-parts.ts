import { logEnds } from '../../adapters/kafka/offsets.ts';
import { createDifferenceRebuilds } from '../../adapters/postgres/difference-pairs.ts';
import { createReadStore } from '../../adapters/postgres/read-store.ts';
import { createSyncStore } from '../../adapters/postgres/sync-store.ts';
import { createTargetStore } from '../../adapters/postgres/target-store.ts';
import { createTargetBeliefs } from '../../adapters/postgres/verification-repairs.ts';
import { createVerificationTables } from '../../adapters/postgres/verification-tables.ts';
import { connectorNamed } from '../../connectors/registry.ts';
import type { RepairPart } from '../../connectors/repair.ts';
import { GoldenPublication } from '../../connectors/repair-publication.ts';
import { remergeMessage } from '../../connectors/repair-remerge.ts';
import { SystemRepair } from '../../connectors/repair-system.ts';
import { TableRepair } from '../../connectors/repair-tables.ts';
import type { TargetPlan } from '../../connectors/target-plan.ts';
import { everyKind } from '../../connectors/verifier.ts';
import { SystemComparison } from '../../connectors/verifier-system.ts';
import { AccountComparison, TableComparison } from '../../connectors/verifier-tables.ts';
import { accountOf } from '../../core/accounting.ts';
import type { EntityId } from '../../core/change-event.ts';
import { compileDifferencePairs } from '../../core/differences/difference-pair.ts';
import { isReadable, type SystemReader } from '../../core/ports/system-reader.ts';
import type { TargetConnector } from '../../core/ports/target-connector.ts';
import type { PartName } from '../../core/ports/verification-ledger.ts';
import { ProducerPool } from '../../core/producer-pool.ts';
import type { Finding } from '../../core/verify/finding.ts';
import { tablesSystem } from '../../core/verify/systems.ts';
import { conflictPolicies, type KindPolicy } from './conflict-policies.ts';
import type { RoleContext } from './role-context.ts';
import { openTarget } from './target-connectors.ts';
import { targetPlans } from './target-plans.ts';

/** What is looked at more rarely is not waited for: what changed there since is called different until it was looked at. */
const toldAfterMsMax = 600_000;
const unreadable = 'its connector cannot be asked what it holds: its states are what it sent';

export interface VerificationParts {
  /** In the order in which they are looked at; a reason where a system cannot be asked. */
  readonly parts: readonly { readonly name: PartName; readonly part: RepairPart | string }[];
  close(): Promise<void>;
}

/** Everything that can be verified by this configuration. Opens nothing before it is asked for. */
export async function verificationParts(context: RoleContext): Promise<VerificationParts> {
  const { config } = context;
  const policies = conflictPolicies(config);
  const producers = new ProducerPool([await context.log.producer()]);
  const tables = new Map([...policies].map(([kind, policy]) => [kind, tablePart(context, producers, kind, policy)]));
  const connectors: TargetConnector[] = [];
  const parts: { name: PartName; part: RepairPart | string }[] = [];
  for (const system of new Set([...Object.keys(config.sources), ...Object.keys(config.targets)])) {
    const target = config.targets[system];
    const plans = new Map<string, TargetPlan>();
    if (target !== undefined)
      for (const plan of (await targetPlans(context, system, target)).values()) plans.set(plan.kind, plan);
    // Connections of its own: what is written there does not wait for what is read.
    const connector = target === undefined ? undefined : await openTarget(system, target);
    if (connector !== undefined) connectors.push(connector);
    for (const kind of new Set([...Object.keys(config.sources[system]?.entities ?? {}), ...plans.keys()])) {
      const plan = plans.get(kind);
      const readable = plan !== undefined && connector !== undefined && isReadable(connector);
      const part = readable ? await systemPart(context, { plan, connector, producers, tables }) : unreadable;
      parts.push({ name: { system, kind }, part });
    }
  }
  for (const [kind, part] of tables) parts.push({ name: { system: tablesSystem, kind }, part });
  parts.push({ name: { system: tablesSystem, kind: everyKind }, part: accountPart(context) });
  return {
    parts,
    async close() {
      for (const connector of connectors) await connector.close();
    },
  };
}

interface SystemParts {
  readonly plan: TargetPlan;
  readonly connector: TargetConnector & SystemReader;
  readonly producers: ProducerPool;
  readonly tables: ReadonlyMap<string, TablePart>;
}

async function systemPart(context: RoleContext, { plan, connector, producers, tables }: SystemParts): Promise<RepairPart> {
  const { pool, clock, config, codecs } = context;
  const store = createTargetStore(pool);
  const comparison = new SystemComparison({
    plan,
    reader: connector,
    store,
    tables: createVerificationTables(pool),
    clock,
    toldAfterMs: toldAfterMs(config, plan),
  });
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
    store,
    guard: config.targets[plan.target]!.guard,
    beliefs: createTargetBeliefs(pool),
    publication,
    producers,
    clock,
    inconsistencies: async (entityIds) => (await tables.get(plan.kind)?.inconsistencies(entityIds)) ?? new Map(),
  });
  return { comparison, repairing };
}

/** A source that is looked at now and then tells of a change at its next look. One that tells by itself is waited for as long as was asked for. */
function toldAfterMs({ sources, polling }: RoleContext['config'], { target, kind }: TargetPlan): number {
  const source = sources[target];
  const isRead = source !== undefined && connectorNamed(source.connector)?.source?.create !== undefined;
  const entity = source?.entities[kind];
  if (!isRead || entity === undefined) return 0;
  const { every, cron } = entity.options as { readonly every?: unknown; readonly cron?: unknown };
  if (cron !== undefined) return toldAfterMsMax;
  return Math.min(typeof every === 'number' ? every : polling.intervalMs, toldAfterMsMax);
}

interface TablePart extends RepairPart {
  inconsistencies(entityIds: readonly EntityId[]): Promise<ReadonlyMap<EntityId, Finding>>;
}

function tablePart(
  { pool, config, topics }: RoleContext,
  producers: ProducerPool,
  kind: string,
  { policy, writtenBack }: KindPolicy,
): TablePart {
  const topic = topics.canonical(kind);
  const pairs = compileDifferencePairs(config).get(kind) ?? [];
  const comparison = new TableComparison({ kind, tables: createVerificationTables(pool), policy, writtenBack, pairs });
  const rebuilds = createDifferenceRebuilds(pool);
  return {
    comparison,
    repairing: new TableRepair({
      compareAnew: async () => void (await rebuilds.request({ kind })),
      mergeAnew: (entityIds) =>
        producers.send(entityIds.map((entityId) => remergeMessage(topic, config.kafka.partitions, entityId))),
    }),
    async inconsistencies(entityIds) {
      const seen = await comparison.again(entityIds.map((entityId) => ({ key: null, entityId })));
      return new Map(seen.flatMap(({ entityId, finding }) => (finding === null ? [] : [[entityId!, finding] as const])));
    },
  };
}

/** The tables first, the logs after: what comes in between counts as in flight. */
function accountPart({ pool, kafka, plans }: RoleContext): RepairPart {
  const store = createReadStore(pool);
  const faults = async () => {
    const progress = await store.progress();
    const [rawEnds, canonicalEnds] = await Promise.all([
      logEnds(kafka, [...new Set(plans.map((plan) => plan.rawTopic))]),
      logEnds(kafka, [...new Set(plans.map((plan) => plan.canonicalTopic))]),
    ]);
    const { partitions } = accountOf({ rawEnds, canonicalEnds, ...progress });
    const told = partitions.flatMap((account) =>
      account.faults.map((fault) => `${account.topic}/${account.partition}: ${fault}`),
    );
    return { partitions: partitions.length, faults: told };
  };
  return { comparison: new AccountComparison(faults), repairing: new TableRepair(null) };
}
