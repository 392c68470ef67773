import { compileConflictPolicy } from '../conflict/policy.ts';
import { SyncError } from '../errors.ts';
import { conflictRulesSchema } from './conflict-policy.ts';
import { nearestName } from './suggestion.ts';

export type MaybeSpeakers = Readonly<
  Record<string, { readonly type?: unknown; readonly entities?: Readonly<Record<string, unknown>> | undefined } | undefined>
>;

/** Rules for kinds that nobody has, and rules that name sources that do not have the kind. */
export function checkConflicts(
  conflicts: Readonly<Record<string, unknown>>,
  sources: MaybeSpeakers,
  report: (path: readonly PropertyKey[], message: string) => void,
): void {
  const kinds = new Set(Object.values(sources).flatMap((source) => Object.keys(source?.entities ?? {})));
  for (const [kind, value] of Object.entries(conflicts)) {
    if (!kinds.has(kind)) {
      const near = nearestName(kind, [...kinds]);
      report(['conflicts', kind], `no source has the kind \`${kind}\`${near === undefined ? '' : `: did you mean \`${near}\`?`}`);
      continue;
    }
    // What is wrong in itself was told already.
    const rules = conflictRulesSchema.safeParse(value);
    if (!rules.success) continue;
    const speakers = Object.entries(sources).flatMap(([name, source]) =>
      source?.entities?.[kind] === undefined ? [] : [{ name, type: String(source.type) }],
    );
    try {
      compileConflictPolicy(kind, rules.data, speakers);
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      const path = Array.isArray(error.details.path) ? (error.details.path as string[]) : ['conflicts', kind];
      report(path, error.message.replace(`${path.join('.')}: `, ''));
    }
  }
}
