import type { SynclineConfig } from '../../core/config/config.ts';
import { compileEntityPlan, type EntityPlan } from '../../core/entity-plan.ts';
import type { TopicDeclaration, TopicNames } from '../../core/topics.ts';

export function entityPlans(config: SynclineConfig, topics: TopicNames): EntityPlan[] {
  return Object.entries(config.sources).flatMap(([source, { type, entities }]) =>
    Object.entries(entities).map(([kind, entity]) =>
      compileEntityPlan(
        {
          source,
          sourceType: type,
          kind,
          mapping: entity.mapping,
          compare: entity.compare,
          identity: entity.identity,
          ordered: entity.ordered,
        },
        topics,
      ),
    ),
  );
}

/** Every topic the configuration needs. */
export function topicDeclarations(config: SynclineConfig, topics: TopicNames, plans: readonly EntityPlan[]): TopicDeclaration[] {
  const { partitions } = config.kafka;
  const kinds = [...new Set(plans.map((plan) => plan.kind))];
  return [
    ...plans.map((plan) => ({ name: plan.rawTopic, partitions, cleanup: 'age' as const })),
    ...kinds.map((kind) => ({ name: topics.canonical(kind), partitions, cleanup: 'age' as const })),
    ...kinds.map((kind) => ({ name: topics.resolved(kind), partitions, cleanup: 'compact' as const })),
    { name: topics.conflicts, partitions, cleanup: 'keep' },
    { name: topics.deadLetters, partitions, cleanup: 'keep' },
  ];
}
