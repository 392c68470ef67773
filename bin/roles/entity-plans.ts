import type { SynclineConfig } from '../../core/config/config.ts';
import { operatorSource, operatorSourceType } from '../../core/conflict/voice.ts';
import { compileEntityPlan, type EntityPlan } from '../../core/entity-plan.ts';
import type { TopicDeclaration, TopicNames } from '../../core/topics.ts';

/** A plan for each kind of each source, and one for what people decide about it. */
export function entityPlans(config: SynclineConfig, topics: TopicNames): EntityPlan[] {
  const kinds = new Set(Object.values(config.sources).flatMap(({ entities }) => Object.keys(entities)));
  const decisions = [...kinds].map((kind) =>
    compileEntityPlan({ source: operatorSource, sourceType: operatorSourceType, kind, ordered: false }, topics),
  );
  const plans = Object.entries(config.sources).flatMap(([source, { type, entities }]) =>
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
  return [...plans, ...decisions];
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
