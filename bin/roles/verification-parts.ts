import { logEnds } from '../../adapters/kafka/offsets.ts';
import { createDifferenceRebuilds } from '../../adapters/postgres/difference-pairs.ts';
import { createReadStore } from '../../adapters/postgres/read-store.ts';
import { createVerificationTables } from '../../adapters/postgres/verification-tables.ts';
import type { RepairPart } from '../../connectors/repair.ts';
import { remergeMessage } from '../../connectors/repair-remerge.ts';
import { TableRepair } from '../../connectors/repair-tables.ts';
import { everyKind } from '../../connectors/verifier.ts';
import { AccountComparison, TableComparison } from '../../connectors/verifier-tables.ts';
import { accountOf } from '../../core/accounting.ts';
import type { EntityId } from '../../core/change-event.ts';
import { compileDifferencePairs } from '../../core/differences/difference-pair.ts';
import type { PartName } from '../../core/ports/verification-ledger.ts';
import { ProducerPool } from '../../core/producer-pool.ts';
import type { Finding } from '../../core/verify/finding.ts';
import { tablesSystem } from '../../core/verify/systems.ts';
import { conflictPolicies, type KindPolicy } from './conflict-policies.ts';
import type { RoleContext } from './role-context.ts';
import { type SystemParts, systemParts } from './verification-systems.ts';

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
  const inconsistencies = async (kind: string, entityIds: readonly EntityId[]) =>
    (await tables.get(kind)?.inconsistencies(entityIds)) ?? new Map();
  const systems: SystemParts[] = [];
  for (const system of new Set([...Object.keys(config.sources), ...Object.keys(config.targets)])) {
    systems.push(await systemParts({ context, producers, inconsistencies }, system));
  }
  const parts: { name: PartName; part: RepairPart | string }[] = systems.flatMap((system) => system.parts);
  for (const [kind, part] of tables) parts.push({ name: { system: tablesSystem, kind }, part });
  parts.push({ name: { system: tablesSystem, kind: everyKind }, part: accountPart(context) });
  return {
    parts,
    async close() {
      for (const system of systems) await system.close();
    },
  };
}

interface TablePart extends RepairPart {
  inconsistencies(entityIds: readonly EntityId[]): Promise<ReadonlyMap<EntityId, Finding>>;
}

function tablePart(
  { pool, config, topics }: RoleContext,
  producers: ProducerPool,
  kind: string,
  { policy, written }: KindPolicy,
): TablePart {
  const topic = topics.canonical(kind);
  const pairs = compileDifferencePairs(config).get(kind) ?? [];
  const writtenBack = new Set(written.keys());
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
