import { z } from 'zod';
import { comparisonSchema } from '../comparison/comparison.ts';
import { comparisonOf, kindsOf } from '../differences/difference-pair.ts';
import { isSyncError, reasonOf } from '../errors.ts';
import { mappingSchema } from '../mapping/mapping.ts';
import type { Report } from './config-checks.ts';
import { nearestName } from './suggestion.ts';

const namesSchema = z.object({
  left: z.string(),
  right: z.string(),
  kinds: z.array(z.string()).optional(),
  compare: z.unknown().optional(),
});
const entitiesSchema = z.object({ entities: z.record(z.string(), z.unknown()) });
const entitySchema = z.object({ mapping: mappingSchema.optional(), compare: comparisonSchema.optional() });

type Sources = Readonly<Record<string, unknown>>;
type Side = z.output<typeof entitiesSchema>;

/** What the pairs name must exist; what could not be parsed has been objected to already. */
export function checkDifferences(differences: unknown, sources: Sources, report: Report): void {
  const seen = new Set<string>();
  for (const [index, written] of (Array.isArray(differences) ? differences : []).entries()) {
    const { data: pair } = namesSchema.safeParse(written);
    if (pair === undefined) continue;
    const path = ['differences', index];
    if (pair.left === pair.right) {
      report([...path, 'right'], 'a source is not compared with itself: name two');
      continue;
    }
    const left = sideOf(pair.left, [...path, 'left'], sources, report);
    const right = sideOf(pair.right, [...path, 'right'], sources, report);
    if (left === undefined || right === undefined) continue;
    const kinds = kindsOf(pair, left, right);
    if (kinds.length === 0) report(path, `the sources \`${pair.left}\` and \`${pair.right}\` have no kind in common`);
    for (const [place, kind] of kinds.entries()) {
      const kindPath = pair.kinds === undefined ? path : [...path, 'kinds', place];
      const twice = `${[pair.left, pair.right].sort().join(' ')} ${kind}`;
      if (seen.has(twice)) report(kindPath, `\`${pair.left}\` and \`${pair.right}\` are compared twice for the kind \`${kind}\``);
      seen.add(twice);
      const known = checkKind(kindPath, kind, { [pair.left]: left, [pair.right]: right }, report);
      if (known) checkComparison(path, kind, pair.compare, [left, right], report);
    }
  }
}

function checkKind(path: readonly PropertyKey[], kind: string, sides: Readonly<Record<string, Side>>, report: Report): boolean {
  const missing = Object.entries(sides).filter(([, { entities }]) => !Object.hasOwn(entities, kind));
  for (const [name, { entities }] of missing) {
    report(path, `the source \`${name}\` has no kind \`${kind}\`${hint(kind, Object.keys(entities))}`);
  }
  return missing.length === 0;
}

function sideOf(name: string, path: readonly PropertyKey[], sources: Sources, report: Report): Side | undefined {
  if (!Object.hasOwn(sources, name)) {
    report(path, `no source is called \`${name}\`${hint(name, Object.keys(sources))}`);
    return undefined;
  }
  return entitiesSchema.safeParse(sources[name]).data;
}

/** Compiled once, so that rules that cannot work are said at once. */
function checkComparison(
  path: readonly PropertyKey[],
  kind: string,
  compare: unknown,
  sides: readonly [Side, Side],
  report: Report,
): void {
  const rules = comparisonSchema.optional().safeParse(compare);
  const [left, right] = sides.map((side) => entitySchema.safeParse(side.entities[kind]));
  if (!rules.success || !left?.success || !right?.success) return;
  try {
    comparisonOf(rules.data, left.data, right.data);
  } catch (error) {
    if (!isSyncError(error)) throw error;
    // Rules of a source that cannot be compiled are said where they stand.
    if (error.code === 'config.invalid')
      report(compare === undefined ? path : [...path, 'compare'], `for the kind \`${kind}\`: ${reasonOf(error)}`);
  }
}

function hint(name: string, candidates: readonly string[]): string {
  const near = nearestName(name, candidates);
  return near === undefined
    ? candidates.length === 0
      ? ''
      : `; there are ${candidates.join(', ')}`
    : `: did you mean \`${near}\`?`;
}
