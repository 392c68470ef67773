/** The names of our topics. A prefix lets several installations share one Kafka. */
export interface TopicNames {
  raw(source: string, kind: string): string;
  canonical(kind: string): string;
  resolved(kind: string): string;
  readonly conflicts: string;
  readonly deadLetters: string;
}

export function topicNames(prefix = ''): TopicNames {
  return {
    raw: (source, kind) => `${prefix}source.${source}.${kind}`,
    canonical: (kind) => `${prefix}entity.${kind}`,
    resolved: (kind) => `${prefix}resolved.${kind}`,
    conflicts: `${prefix}syncline.conflicts`,
    deadLetters: `${prefix}syncline.dead-letters`,
  };
}

/** What a topic's data allows: states may be compacted, history may age, dead letters stay. */
export type TopicCleanup = 'age' | 'compact' | 'keep';

export interface TopicDeclaration {
  readonly name: string;
  readonly partitions: number;
  readonly cleanup: TopicCleanup;
}
