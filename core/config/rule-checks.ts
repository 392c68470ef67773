import type { z } from 'zod';
import { comparisonSchema, compileComparison } from '../comparison/comparison.ts';
import { isSyncError, reasonOf } from '../errors.ts';
import { compileIdentity, identitySchema } from '../identity/identity.ts';
import { compileMapping, mappingSchema } from '../mapping/mapping.ts';
import type { Report } from './config-checks.ts';

/** The rules of one kind, as far as they could be read. */
export interface MaybeRules {
  readonly mapping?: unknown;
  readonly compare?: unknown;
  readonly identity?: unknown;
}

/** Compiles the rules once, so that what is wrong with them is said beside everything else. */
export function checkRules(path: readonly PropertyKey[], rules: MaybeRules, report: Report): void {
  const mapping = parsed(mappingSchema.optional(), rules.mapping);
  const compare = parsed(comparisonSchema.optional(), rules.compare);
  const identity = parsed(identitySchema.optional(), rules.identity);
  const fields = attempt([...path, 'mapping'], report, () =>
    mapping === undefined ? undefined : compileMapping(mapping.value).fields,
  );
  if (compare !== undefined && (mapping === undefined || fields !== failed)) {
    attempt([...path, 'compare'], report, () => compileComparison(compare.value, fields === failed ? undefined : fields));
  }
  if (identity !== undefined) attempt([...path, 'identity'], report, () => compileIdentity('kind', identity.value));
}

/** Undefined where the schema itself objects: it has said so already. */
function parsed<T extends z.ZodType>(schema: T, value: unknown): { readonly value: z.output<T> } | undefined {
  const result = schema.safeParse(value);
  return result.success ? { value: result.data } : undefined;
}

const failed = Symbol('failed');

function attempt<T>(path: readonly PropertyKey[], report: Report, compile: () => T): T | typeof failed {
  try {
    return compile();
  } catch (error) {
    if (!isSyncError(error)) throw error;
    report([...path, ...placeOf(error.details)], reasonOf(error));
    return failed;
  }
}

/** Where the rule at fault stands, as far as its error tells. */
function placeOf(details: Readonly<Record<string, unknown>>): string[] {
  const { field, rule } = details;
  if (typeof field !== 'string' || typeof rule !== 'string') return [];
  if (field === '') return [rule];
  return ['fields', ...field.split('.').flatMap((name, level) => (level === 0 ? [name] : ['object', name])), rule];
}
