import { compileTargetPlan, type SourceHalf, type TargetPlan } from '../../connectors/target-plan.ts';
import type { TargetConfig } from '../../core/config/targets.ts';
import { type ConflictPolicy, countersOf } from '../../core/conflict/policy.ts';
import type { EntityPlan } from '../../core/entity-plan.ts';
import { conflictPolicies } from './conflict-policies.ts';
import type { RoleContext } from './role-context.ts';

type Target = RoleContext['config']['targets'][string];

/** The plans of one target, by resolved topic. */
export async function targetPlans(context: RoleContext, name: string, target: Target): Promise<Map<string, TargetPlan>> {
  const { config, topics, plans } = context;
  const policies = conflictPolicies(config);
  const compiled = new Map<string, TargetPlan>();
  for (const [kind, entity] of Object.entries(target.entities)) {
    const own = plans.find((plan) => plan.source === name && plan.kind === kind);
    const plan = compileTargetPlan({
      target: name,
      targetType: target.type,
      kind,
      entity: entity as TargetConfig['entities'][string],
      onForeignChange: target.onForeignChange,
      source: own === undefined ? null : await sourceHalf(context, own, policies.get(kind)?.policy),
      keyIsEntity: plans.every((plan) => plan.kind !== kind || plan.identity === undefined),
      topics,
      canonicalPartitions: config.kafka.partitions,
    });
    compiled.set(plan.resolvedTopic, plan);
  }
  return compiled;
}

async function sourceHalf(
  { config, codecs }: RoleContext,
  plan: EntityPlan,
  policy: ConflictPolicy | undefined,
): Promise<SourceHalf> {
  const counters = policy === undefined ? [] : countersOf(policy);
  const back = { topic: plan.rawTopic, partitions: config.kafka.partitions, codec: await codecs.for('change', plan.rawTopic) };
  // Whoever sends us changes does not send what we wrote.
  return { plan, counters, back, echoes: config.sources[plan.source]?.connector !== 'http' };
}
