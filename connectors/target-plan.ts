import { checksumOf } from '../core/canonical/canonical.ts';
import type { ChangeEvent, Checksum } from '../core/change-event.ts';
import type { TargetEntityConfig } from '../core/config/targets.ts';
import { uncountedChecksum } from '../core/conflict/uncounted.ts';
import type { EntityPlan } from '../core/entity-plan.ts';
import { fieldOf, type JsonObject, type JsonValue } from '../core/json.ts';
import { compileMapping } from '../core/mapping/mapping.ts';
import type { RecordCodec } from '../core/ports/record-codec.ts';
import type { TargetRow } from '../core/ports/target-connector.ts';
import type { TopicNames } from '../core/topics.ts';

/** The raw topic of a system: what we find there instead of what we expected is its change, and goes where those go. */
export interface BackRoute {
  readonly topic: string;
  readonly partitions: number;
  readonly codec: RecordCodec<ChangeEvent>;
}

/** The source half of a system that is written to. */
export interface SourceHalf {
  readonly plan: EntityPlan;
  /** Fields that are merged by counting: they are written as differences. */
  readonly counters: readonly string[];
  readonly back: BackRoute;
  /** Whether it also tells of what we wrote. One that does not must not be held against what it told before. */
  readonly echoes: boolean;
}

/** Everything the target side needs to know of one kind at one target, compiled once. */
export interface TargetPlan {
  readonly target: string;
  readonly targetType: string;
  readonly kind: string;
  readonly resolvedTopic: string;
  readonly canonicalTopic: string;
  readonly canonicalPartitions: number;
  readonly deletes: boolean;
  readonly onForeignChange: 'overwrite' | 'keep';
  readonly source: SourceHalf | null;
  /** No source of this kind is matched by anything but its key, so the entity's id tells it. */
  readonly keyIsEntity: boolean;
  /** A golden record in the target's shape. Throws `mapping.failed`. */
  rowOf(data: JsonObject): TargetRow;
  /**
   * What is compared of a row there: of a source the canonical record without what is counted, else the fields we write.
   * Throws `mapping.failed`.
   */
  comparable(row: TargetRow | null): Checksum | null;
}

export interface TargetPlanParts {
  readonly target: string;
  readonly targetType: string;
  readonly kind: string;
  readonly entity: Pick<TargetEntityConfig, 'mapping' | 'deletes'>;
  readonly onForeignChange: 'overwrite' | 'keep';
  readonly source: SourceHalf | null;
  readonly keyIsEntity: boolean;
  readonly topics: TopicNames;
  readonly canonicalPartitions: number;
}

export function compileTargetPlan(parts: TargetPlanParts): TargetPlan {
  const { target, kind, entity, source, topics } = parts;
  const mapping = compileMapping(entity.mapping);
  const fields = mapping.fields;
  return {
    target,
    targetType: parts.targetType,
    kind,
    resolvedTopic: topics.resolved(kind),
    canonicalTopic: topics.canonical(kind),
    canonicalPartitions: parts.canonicalPartitions,
    deletes: entity.deletes === 'delete',
    onForeignChange: parts.onForeignChange,
    source,
    keyIsEntity: parts.keyIsEntity,
    // A field that the golden record has lost must go there, too.
    rowOf: (data) => (fields === undefined ? mapping.map(data) : { ...nothingOf(fields), ...mapping.map(data) }),
    comparable(row) {
      if (row === null) return null;
      return source === null
        ? checksumOf(fields === undefined ? row : only(row, fields))
        : uncounted(source, canonicalOf(source, row));
    },
  };
}

/** A row of the target as its source half understands it. */
export function canonicalOf(source: SourceHalf, row: TargetRow): JsonObject {
  return source.plan.mapping.map(row);
}

export function uncounted({ counters }: SourceHalf, data: JsonObject | null): Checksum | null {
  return data === null ? null : uncountedChecksum(counters, data);
}

function only(row: TargetRow, fields: readonly string[]): JsonObject {
  const kept: JsonObject = {};
  for (const field of fields) {
    const value: JsonValue | undefined = fieldOf(row, field);
    // A field that is not there and one that is null are one to a table.
    if (value !== undefined && value !== null) kept[field] = value;
  }
  return kept;
}

function nothingOf(fields: readonly string[]): JsonObject {
  return Object.fromEntries(fields.map((field) => [field, null]));
}
