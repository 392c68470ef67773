import { hash } from 'node:crypto';
import { canonicalText, checksumOfText, compileCanonical } from './canonical/canonical.ts';
import type { Checksum } from './change-event.ts';
import { type ComparisonRules, type CompiledComparison, compileComparison } from './comparison/comparison.ts';
import { type CompiledIdentity, compileIdentity, type IdentityRules } from './identity/identity.ts';
import type { JsonObject } from './json.ts';
import { type CompiledMapping, compileMapping, type MappingRules } from './mapping/mapping.ts';
import type { TopicNames } from './topics.ts';

export interface EntityDeclaration {
  readonly source: string;
  readonly sourceType: string;
  readonly kind: string;
  readonly mapping?: MappingRules | undefined;
  readonly compare?: ComparisonRules | undefined;
  readonly identity?: IdentityRules | undefined;
  /** False for a source that may deliver an older change of a key after a newer one for the first time. */
  readonly ordered?: boolean | undefined;
}

/** Everything the processor needs to know of one kind of one source, compiled once. */
export interface EntityPlan {
  readonly source: string;
  readonly sourceType: string;
  readonly kind: string;
  readonly rawTopic: string;
  readonly canonicalTopic: string;
  readonly mapping: CompiledMapping;
  readonly comparison: CompiledComparison;
  /** Undefined where no match keys are configured: the entity is then its kind and key. */
  readonly identity: CompiledIdentity | undefined;
  /** An unordered source's changes all pass the filter: what is stopped cannot be held against a late older one. */
  readonly ordered: boolean;
  checksum(data: JsonObject): Checksum;
  /** With no comparison rules the fingerprint is the checksum, and is computed once. */
  readonly fingerprintIsChecksum: boolean;
  /** Changes with anything that changes what a cache entry means. */
  readonly configId: string;
}

/** Entries of another format belong to another era. */
const cacheFormat = 'cache/2';

export function compileEntityPlan(declaration: EntityDeclaration, topics: TopicNames): EntityPlan {
  const { source, sourceType, kind } = declaration;
  const mapping = compileMapping(declaration.mapping);
  const comparison = compileComparison(declaration.compare, mapping.fields);
  const canonical = mapping.fields ? compileCanonical(mapping.fields) : canonicalText;
  return {
    source,
    sourceType,
    kind,
    rawTopic: topics.raw(source, kind),
    canonicalTopic: topics.canonical(kind),
    mapping,
    comparison,
    identity: declaration.identity ? compileIdentity(kind, declaration.identity) : undefined,
    ordered: declaration.ordered ?? true,
    checksum: (data) => checksumOfText(canonical(data)),
    fingerprintIsChecksum: declaration.compare === undefined,
    configId: hash(
      'sha256',
      JSON.stringify([cacheFormat, mapping.id, comparison.id, declaration.identity ?? null, sourceType]),
      'hex',
    ),
  };
}
