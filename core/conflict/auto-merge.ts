import { canonicalText } from '../canonical/canonical.ts';
import type { CanonicalRecord } from '../change-event.ts';
import { fieldOf, type JsonObject } from '../json.ts';
import type { ConflictResolver, EntityView, Resolution } from './resolver.ts';

/**
 * Where one source speaks of an entity, its word is the golden record. Where several do, each change brings the fields
 * it changed against what the same source said before: fields that nobody else touched merge by themselves.
 */
export const autoMerge: ConflictResolver = {
  resolve(view: EntityView, change: CanonicalRecord): Resolution {
    if (view.kind === 'alone') {
      return { deleted: change.data === null, data: change.data, checksum: change.checksum, conflicts: [] };
    }
    const { golden, before, others } = view;
    if (change.data === null) {
      const alive = others.some((other) => !other.deleted);
      return alive
        ? { deleted: false, data: golden?.data ?? null, conflicts: [] }
        : { deleted: true, data: null, checksum: null, conflicts: [] };
    }
    return { deleted: false, data: mergeFields(golden?.data ?? {}, before?.data ?? {}, change.data), conflicts: [] };
  },
};

function mergeFields(golden: JsonObject, before: JsonObject, after: JsonObject): JsonObject {
  const merged: JsonObject = { ...golden };
  for (const field of Object.keys(after)) {
    const value = after[field]!;
    const base = fieldOf(before, field);
    if (base === undefined || canonicalText(base) !== canonicalText(value)) merged[field] = value;
  }
  for (const field of Object.keys(before)) {
    if (fieldOf(after, field) === undefined) delete merged[field];
  }
  return merged;
}
