import { checksumOf } from '../canonical/canonical.ts';
import { type ComparisonRules, type CompiledComparison, comparisonSchema, compileComparison } from '../comparison/comparison.ts';
import { SyncError } from '../errors.ts';
import { compileMapping, type MappingRules } from '../mapping/mapping.ts';

/** Two sources that should hold the same records of one kind. */
export interface DifferencePair {
  /** Source types, as they stand in `sync_state`. */
  readonly leftSource: string;
  readonly rightSource: string;
  readonly kind: string;
  readonly comparison: CompiledComparison;
  /** Changes with whatever changes what counts as a difference. */
  readonly configId: string;
}

export type DifferencePairs = ReadonlyMap<string, readonly DifferencePair[]>;

/** As much of the configuration as the pairs are made of. */
export interface DifferenceConfig {
  readonly sources: Readonly<Record<string, PairedSource>>;
  readonly differences: readonly DifferenceDeclaration[];
}

export interface DifferenceDeclaration {
  readonly left: string;
  readonly right: string;
  readonly kinds?: readonly string[] | undefined;
  readonly compare?: ComparisonRules | undefined;
}

interface PairedSource {
  readonly type: string;
  readonly entities: Readonly<Record<string, PairedEntity>>;
}

export interface PairedEntity {
  readonly mapping?: MappingRules | undefined;
  readonly compare?: ComparisonRules | undefined;
}

/** By kind. Throws `config.invalid` where rules cannot be compiled; names were checked with the configuration. */
export function compileDifferencePairs({ sources, differences }: DifferenceConfig): DifferencePairs {
  const pairs = differences.flatMap((declaration) => {
    const [left, right] = [sources[declaration.left]!, sources[declaration.right]!];
    return kindsOf(declaration, left, right).map((kind): DifferencePair => {
      const comparison = comparisonOf(declaration.compare, left.entities[kind]!, right.entities[kind]!);
      const [leftSource, rightSource] = [left.type, right.type];
      const configId = checksumOf(['difference/1', leftSource, rightSource, kind, comparison.id]);
      return { leftSource, rightSource, kind, comparison, configId };
    });
  });
  return Map.groupBy(pairs, ({ kind }) => kind);
}

export function kindsOf(
  { kinds }: Pick<DifferenceDeclaration, 'kinds'>,
  left: { readonly entities: Readonly<Record<string, unknown>> },
  right: { readonly entities: Readonly<Record<string, unknown>> },
): readonly string[] {
  return kinds ?? Object.keys(left.entities).filter((kind) => Object.hasOwn(right.entities, kind));
}

/**
 * Only what both sources can say is compared: fields that both mappings produce, without those that a source's own rules do
 * not count, because a change of these alone is never stored.
 */
export function comparisonOf(rules: ComparisonRules | undefined, left: PairedEntity, right: PairedEntity): CompiledComparison {
  const written = rules ?? comparisonSchema.parse({});
  const common = commonFields([left, right]);
  const ignored = [left, right].flatMap((entity) => entity.compare?.ignore ?? []);
  if (written.fields !== undefined) {
    const wrong = written.fields.find((field) => ignored.includes(field) || (common !== undefined && !common.includes(field)));
    if (wrong !== undefined) throw invalid(`\`${wrong}\` is not a field that both sources have and count as a change`);
    return compileComparison(written, common);
  }
  if (common !== undefined) {
    const counted = common.filter((field) => !ignored.includes(field));
    if (counted.length === 0) throw invalid('the two sources have no field in common to compare');
    return compileComparison(written, counted);
  }
  const ignore = [...new Set([...(written.ignore ?? []), ...ignored])];
  return compileComparison(ignore.length === 0 ? written : { ...written, ignore }, undefined);
}

/** Undefined where neither side's fields are known beforehand. */
function commonFields(sides: readonly PairedEntity[]): readonly string[] | undefined {
  const [first, ...others] = sides.flatMap(({ mapping, compare }) => {
    const mapped = mapping === undefined ? undefined : compileMapping(mapping).fields;
    return [mapped, compare?.fields].filter((fields) => fields !== undefined);
  });
  return first?.filter((field) => others.every((fields) => fields.includes(field)));
}

function invalid(message: string): SyncError {
  return new SyncError('config.invalid', message);
}
