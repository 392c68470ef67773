import type { JsonValue } from '../json.ts';
import type { FieldRule } from './policy.ts';
import { type Candidate, compareByRank, isFirstSight } from './precedence.ts';
import { sameValue, typeOfValue } from './values.ts';
import { dataAt, type VoicedRow } from './voice.ts';

/** What a field is, and why. */
export interface Verdict {
  /** undefined: the field is absent. */
  readonly value: JsonValue | undefined;
  readonly source: string | null;
  readonly eventId: string | null;
  /** The policy's rule where it decided, else how it came without. */
  readonly rule: string;
  readonly contest: Contest | null;
}

/** The rows that take part in making a golden record. */
export interface Cast {
  /** Alive, and not overcome by a deletion. */
  readonly speakers: readonly VoicedRow[];
  /** The same, and those whose counting stays true although their record is gone. */
  readonly counting: readonly VoicedRow[];
}

export type ContestType = 'concurrent-update' | 'create-create' | 'type-mismatch';

/** Sources that gave a field different values without knowing of each other. */
export interface Contest {
  readonly type: ContestType;
  /** False where the policy leaves it to somebody: the first side then only holds its value meanwhile. */
  readonly settled: boolean;
  readonly rule: FieldRule;
  /** The winner or holder first. */
  readonly sides: readonly Candidate[];
}

/** What the golden record has while the new one is made. */
export interface Incumbents {
  value(field: string): JsonValue | undefined;
  /** Who holds the field in an open conflict. */
  holder(field: string): string | undefined;
}

export function verdictOf(winner: Candidate, field: string, rule: string, contest: Contest | null = null): Verdict {
  return { value: dataAt(winner.row, field), source: winner.row.sourceType, eventId: winner.touch[2], rule, contest };
}

/** Nobody decides now: whoever holds the field keeps it. */
export function leftOpen(field: string, sides: readonly Candidate[], incumbents: Incumbents, rule: FieldRule): Verdict {
  const byName = [...sides].sort((left, right) => compareByRank(new Map(), left.row.sourceType, right.row.sourceType));
  const holder =
    byName.find(({ row }) => row.sourceType === incumbents.holder(field)) ??
    byName.find(({ row }) => sameValue(dataAt(row, field), incumbents.value(field))) ??
    byName[0]!;
  const ordered = [holder, ...byName.filter((side) => side !== holder)];
  const type = contestType(field, sides);
  const name = type === 'type-mismatch' ? 'manual' : rule.name;
  return verdictOf(holder, field, name, { type, settled: false, rule, sides: ordered });
}

export function contestType(field: string, sides: readonly Candidate[]): ContestType {
  let [known, found] = [undefined as ReturnType<typeof typeOfValue>, true];
  for (const side of sides) {
    const type = typeOfValue(dataAt(side.row, field));
    if (type !== undefined && known !== undefined && type !== known) return 'type-mismatch';
    known ??= type;
    found = found && isFirstSight(side);
  }
  return found ? 'create-create' : 'concurrent-update';
}
