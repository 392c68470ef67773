import type { JsonObject } from '../json.ts';
import type { ConflictField, ConflictSide } from './conflict.ts';
import type { OrderRule } from './policy.ts';
import { compareByRank } from './precedence.ts';

/** Values for an answer, gathered from the sides of a conflict. A side that lacks the field takes it away. */
export interface ChosenValues {
  readonly fields: JsonObject;
  readonly removed: readonly string[];
}

export function openFieldsOf(fields: Readonly<Record<string, ConflictField>>): (readonly [string, ConflictField])[] {
  return Object.entries(fields).filter(([, field]) => field.status === 'open');
}

export function chooseSides(
  fields: Readonly<Record<string, ConflictField>>,
  sideOf: (name: string, field: ConflictField) => ConflictSide | undefined,
): ChosenValues {
  const values: JsonObject = {};
  const removed: string[] = [];
  for (const [name, field] of openFieldsOf(fields)) {
    const side = sideOf(name, field);
    if (side === undefined) continue;
    if (side.value === undefined) removed.push(name);
    else values[name] = side.value;
  }
  return { fields: values, removed };
}

/** What a rule that orders sources makes of a conflict that nobody answered. */
export function chooseByRule(fields: Readonly<Record<string, ConflictField>>, rule: OrderRule): ChosenValues {
  return chooseSides(fields, (_name, { sides }) => [...sides].sort((left, right) => compareSides(rule, left, right))[0]);
}

function compareSides(rule: OrderRule, left: ConflictSide, right: ConflictSide): number {
  if (rule.kind === 'newest_wins' && left.atMs !== right.atMs) return right.atMs - left.atMs;
  return compareByRank(rule.kind === 'priority' ? rule.ranking : new Map(), left.source, right.source);
}

/** When an answer was decided: after everything it answers, also where a source's clock is ahead of ours. */
export function decidedAtOf(nowMs: number, fields: Readonly<Record<string, ConflictField>>): string {
  const latest = Math.max(...Object.values(fields).flatMap(({ sides }) => sides.map(({ atMs }) => atMs + 1)), nowMs);
  return new Date(latest).toISOString();
}
