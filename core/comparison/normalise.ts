import { isJsonObject, type JsonObject, type JsonValue } from '../json.ts';

export interface NormaliseRules {
  readonly ignoreCase: boolean | readonly string[];
  readonly collapseSpaces: boolean | readonly string[];
  /** What stands for a field that is not there. */
  readonly absent: 'only-absent' | 'null' | 'null-and-empty';
}

/** The value as it is compared; undefined: as if absent. */
export type Normalise = (field: string, value: JsonValue) => JsonValue | undefined;

/** undefined when no rule changes anything, so that the caller can take its plain path. */
export function compileNormalise(rules: NormaliseRules): Normalise | undefined {
  const lowers = fieldTest(rules.ignoreCase);
  const collapses = fieldTest(rules.collapseSpaces);
  if (lowers === undefined && collapses === undefined && rules.absent === 'only-absent') return undefined;
  return (field, value) => {
    const lower = lowers?.(field) ?? false;
    const collapse = collapses?.(field) ?? false;
    const normalised = lower || collapse ? normaliseTexts(value, lower, collapse) : value;
    if (normalised === null) return rules.absent === 'only-absent' ? null : undefined;
    return normalised === '' && rules.absent === 'null-and-empty' ? undefined : normalised;
  };
}

function fieldTest(rule: boolean | readonly string[]): ((field: string) => boolean) | undefined {
  if (rule === false) return undefined;
  if (rule === true) return () => true;
  const fields = new Set(rule);
  return fields.size === 0 ? undefined : (field) => fields.has(field);
}

/** Texts inside lists and objects too; names of inner fields stay. */
function normaliseTexts(value: JsonValue, lower: boolean, collapse: boolean): JsonValue {
  if (typeof value === 'string') {
    const collapsed = collapse ? value.replace(/\s+/g, ' ').trim() : value;
    return lower ? collapsed.toLowerCase() : collapsed;
  }
  if (Array.isArray(value)) return value.map((item) => normaliseTexts(item, lower, collapse));
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).map(([field, inner]) => [field, normaliseTexts(inner, lower, collapse)]);
  return Object.fromEntries(entries) as JsonObject;
}
