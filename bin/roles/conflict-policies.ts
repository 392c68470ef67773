import type { SynclineConfig } from '../../core/config/config.ts';
import { type ConflictPolicy, compileConflictPolicy, type PolicySource } from '../../core/conflict/policy.ts';
import type { WrittenSources } from '../../sync-manager/batch-write-backs.ts';

export interface KindPolicy {
  readonly policy: ConflictPolicy;
  /** Whether several sources speak of the kind. */
  readonly isShared: boolean;
  readonly sources: readonly PolicySource[];
  /** Those that are targets of the kind too. */
  readonly written: WrittenSources;
}

/** By kind. Throws `config.invalid` for rules that do not fit their sources. */
export function conflictPolicies({
  sources,
  targets,
  conflicts,
}: Pick<SynclineConfig, 'sources' | 'targets' | 'conflicts'>): Map<string, KindPolicy> {
  const speakers = new Map<string, { name: string; type: string }[]>();
  for (const [name, { type, entities }] of Object.entries(sources)) {
    for (const kind of Object.keys(entities)) speakers.set(kind, [...(speakers.get(kind) ?? []), { name, type }]);
  }
  const policies = new Map<string, KindPolicy>();
  for (const [kind, known] of speakers) {
    const policy = compileConflictPolicy(kind, conflicts[kind], known);
    const looped = known.filter(({ name }) => targets[name]?.entities[kind] !== undefined);
    const written = new Map(looped.map(({ name, type }) => [type, name]));
    policies.set(kind, { policy, isShared: known.length > 1, sources: known, written });
  }
  return policies;
}
