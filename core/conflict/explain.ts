import type { JsonValue } from '../json.ts';
import type { ConflictView } from './engine.ts';
import { remerge } from './engine.ts';
import type { ConflictPolicy } from './policy.ts';
import { sameValue } from './values.ts';
import { dataAt, touchOf, voiced } from './voice.ts';

export interface Overridden {
  readonly source: string;
  /** undefined: that source has removed the field. */
  readonly value: JsonValue | undefined;
  readonly eventId: string;
}

/** Why a field of a golden record has its value. */
export interface FieldExplanation {
  readonly value: JsonValue | undefined;
  readonly source: string | null;
  readonly eventId: string | null;
  /**
   * The policy's rule where it decided; `only_source`, `agreed`, `unopposed` (nobody else changed it, or whoever did was
   * known to the one who did last), `kept` where it had nothing to decide.
   */
  readonly rule: string;
  readonly overrode: readonly Overridden[];
}

/** By field. Empty where the entity is deleted. */
export function explain(policy: ConflictPolicy, view: ConflictView): Map<string, FieldExplanation> {
  if (view.rows.length === 0) return new Map();
  const rows = view.rows.map(voiced);
  const explained = remerge(policy, view).fields.map(({ field, verdict }): [string, FieldExplanation] => {
    const { value, source, eventId, rule } = verdict;
    const overrode = rows.flatMap((row): Overridden[] => {
      const touch = touchOf(row, field);
      const said = dataAt(row, field);
      return touch === null || sameValue(said, value) ? [] : [{ source: row.sourceType, value: said, eventId: touch[2] }];
    });
    overrode.sort((left, right) => (left.source < right.source ? -1 : 1));
    return [field, { value, source, eventId, rule, overrode }];
  });
  return new Map(explained.sort(([left], [right]) => (left < right ? -1 : 1)));
}
