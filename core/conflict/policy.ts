import { checksumOf } from '../canonical/canonical.ts';
import type { ConflictRules, FieldPolicy } from '../config/conflict-policy.ts';
import { nearestName } from '../config/suggestion.ts';
import { SyncError } from '../errors.ts';
import type { JsonValue } from '../json.ts';
import { operatorSourceType } from './voice.ts';

/** Source types by rank; what is not listed comes behind, in the order of names. */
export type Ranking = ReadonlyMap<string, number>;

export interface Webhook {
  readonly url: string;
  readonly secret: string;
  readonly timeoutMs: number;
  readonly retries: number;
  /** What decides when no usable answer comes; `manual` leaves the conflict open. */
  readonly fallback: OrderRule | ManualRule;
}

export type OrderRule =
  | { readonly kind: 'priority'; readonly name: string; readonly ranking: Ranking }
  | { readonly kind: 'newest_wins'; readonly name: string };
export interface ManualRule {
  readonly kind: 'manual';
  readonly name: 'manual';
}
export type MergeRule = {
  [Kind in 'union' | 'min' | 'max' | 'counter']: { readonly kind: Kind; readonly name: string };
}['union' | 'min' | 'max' | 'counter'];
export interface WebhookRule {
  readonly kind: 'webhook';
  readonly name: 'webhook';
  readonly webhook: Webhook;
}
export type FieldRule = OrderRule | ManualRule | MergeRule | WebhookRule;

export type DeleteRule = 'update_wins' | 'delete_wins' | OrderRule | ManualRule;

/** The rules of one kind of entity, compiled once. */
export interface ConflictPolicy {
  /** Changes with anything that changes an outcome. */
  readonly id: string;
  readonly ranking: Ranking;
  readonly defaultRule: FieldRule;
  readonly fields: ReadonlyMap<string, FieldRule>;
  /** Whether a field's history must be kept beyond its last touch: unions and counters. */
  readonly remembers: boolean;
  readonly deletions: 'propagate' | 'when_all_gone';
  readonly deleteRule: DeleteRule;
}

export interface PolicySource {
  readonly name: string;
  readonly type: string;
}

const manual: ManualRule = { kind: 'manual', name: 'manual' };
const newest: OrderRule = { kind: 'newest_wins', name: 'newest_wins' };

/** Throws `config.invalid` that names the rule at fault. `sources` are those that have this kind. */
export function compileConflictPolicy(
  kind: string,
  rules: ConflictRules | undefined,
  sources: readonly PolicySource[],
): ConflictPolicy {
  const compiler = new RuleCompiler(kind, rules, sources);
  const fields = new Map(
    Object.entries(rules?.fields ?? {}).map(([field, policy]) => [field, compiler.fieldRule(policy, ['fields', field])]),
  );
  const id = checksumOf(['conflict/1', JSON.parse(JSON.stringify(rules ?? null)) as JsonValue, sources.map(({ type }) => type)]);
  return {
    id: id.slice(0, 16),
    ranking: compiler.ranking,
    defaultRule: compiler.defaultRule(rules?.default),
    fields,
    remembers: [...fields.values(), compiler.defaultRule(rules?.default)].some(remembersMore),
    deletions: rules?.deletions ?? 'propagate',
    deleteRule: compiler.deleteRule(rules?.deleteConflict ?? 'update_wins'),
  };
}

export function remembersMore(rule: FieldRule): boolean {
  return rule.kind === 'union' || rule.kind === 'counter';
}

export function ruleOf(policy: ConflictPolicy, field: string): FieldRule {
  return policy.fields.size === 0 ? policy.defaultRule : (policy.fields.get(field) ?? policy.defaultRule);
}

/** Fields that are told to be counted, by name. */
export function countersOf({ fields }: Pick<ConflictPolicy, 'fields'>): string[] {
  return [...fields].flatMap(([field, rule]) => (rule.kind === 'counter' ? [field] : []));
}

export function rankOf(ranking: Ranking, sourceType: string): number {
  return sourceType === operatorSourceType ? -1 : (ranking.get(sourceType) ?? ranking.size);
}

class RuleCompiler {
  readonly ranking: Ranking;
  readonly #kind: string;
  readonly #rules: ConflictRules | undefined;
  readonly #sources: readonly PolicySource[];

  constructor(kind: string, rules: ConflictRules | undefined, sources: readonly PolicySource[]) {
    this.#kind = kind;
    this.#rules = rules;
    this.#sources = sources;
    const listed = rules?.ranking ?? [];
    const twice = listed.find((name, index) => listed.indexOf(name) !== index);
    if (twice !== undefined) this.#refuse(['ranking'], `names the source \`${twice}\` twice`);
    this.ranking = new Map(listed.map((name, rank) => [this.#typeOf(name, ['ranking']), rank]));
  }

  defaultRule(policy: FieldPolicy | undefined): FieldRule {
    if (policy !== undefined) return this.fieldRule(policy, ['default']);
    return this.ranking.size > 0 ? this.#order('priority', ['default']) : manual;
  }

  fieldRule(policy: FieldPolicy, path: readonly string[]): FieldRule {
    if (typeof policy === 'string') return policy === 'manual' ? manual : this.#order(policy, path);
    if ('merge' in policy) return { kind: policy.merge, name: policy.merge };
    const { url, secret, timeoutMs, retries, fallback } = policy;
    const compiled = fallback === 'manual' ? manual : this.#order(fallback, [...path, 'fallback']);
    return { kind: 'webhook', name: 'webhook', webhook: { url, secret, timeoutMs, retries, fallback: compiled } };
  }

  deleteRule(name: ConflictRules['deleteConflict']): DeleteRule {
    if (name === 'manual') return manual;
    return name === 'update_wins' || name === 'delete_wins' ? name : this.#order(name, ['deleteConflict']);
  }

  #order(name: 'priority' | 'source_wins' | 'target_wins' | 'newest_wins', path: readonly string[]): OrderRule {
    if (name === 'newest_wins') return newest;
    if (name === 'priority') {
      if (this.ranking.size === 0) this.#refuse(path, '`priority` needs a `ranking` of sources');
      return { kind: 'priority', name, ranking: this.ranking };
    }
    const { source, target } = this.#rules ?? {};
    if (source === undefined || target === undefined) this.#refuse(path, `\`${name}\` needs \`source\` and \`target\``);
    if (source === target) this.#refuse(['target'], '`source` and `target` are the same source');
    const pair = [this.#typeOf(source, ['source']), this.#typeOf(target, ['target'])];
    if (name === 'target_wins') pair.reverse();
    return { kind: 'priority', name, ranking: new Map(pair.map((type, rank) => [type, rank])) };
  }

  #typeOf(name: string, path: readonly string[]): string {
    const known = this.#sources.find((source) => source.name === name);
    if (known !== undefined) return known.type;
    const names = this.#sources.map((source) => source.name);
    const near = nearestName(name, names);
    const hint = near !== undefined ? `: did you mean \`${near}\`?` : names.length > 0 ? `; there are ${names.join(', ')}` : '';
    return this.#refuse(path, `no source \`${name}\` has the kind \`${this.#kind}\`${hint}`);
  }

  #refuse(path: readonly string[], message: string): never {
    const place = ['conflicts', this.#kind, ...path];
    throw new SyncError('config.invalid', `${place.join('.')}: ${message}`, { details: { path: place } });
  }
}
