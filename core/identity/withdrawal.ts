import type { EntityId, EventId } from '../change-event.ts';
import type { Conflict } from '../conflict/conflict.ts';
import type { ConflictView } from '../conflict/engine.ts';
import { type MergedGolden, mergeEntity } from '../conflict/entity-merge.ts';
import type { ConflictPolicy } from '../conflict/policy.ts';
import { type Knowledge, operatorSourceType, type Voice, type VoicedRow, voiced } from '../conflict/voice.ts';

export interface WithdrawalCause {
  readonly entityId: EntityId;
  readonly kind: string;
  readonly sourceType: string;
  readonly eventId: EventId;
}

export interface Withdrawal {
  readonly golden: MergedGolden;
  readonly conflicts: readonly Conflict[];
  /** Rows of others that knew of the record that is gone. */
  readonly rows: readonly VoicedRow[];
  /** Whether no source speaks of the entity any more. */
  readonly emptied: boolean;
}

/** What is left of an entity when a source's record leaves it. It was not deleted, so it leaves no trace in the others. */
export function withdraw(policy: ConflictPolicy, view: ConflictView, cause: WithdrawalCause): Withdrawal {
  const before = view.rows.map(voiced);
  const others = before.filter(({ sourceType }) => sourceType !== cause.sourceType);
  const after = others.map((row) => withoutKnowledgeOf(row, cause.sourceType));
  const { golden, conflicts } = mergeEntity({ policy, golden: view.golden, before, after, changed: null, cause });
  const rows = after.filter((row, index) => row !== others[index]);
  return { golden, conflicts, rows, emptied: !after.some(({ sourceType }) => sourceType !== operatorSourceType) };
}

/** The turns of another record begin anew: what was known of the one must not pass for knowledge of the other. */
function withoutKnowledgeOf(row: VoicedRow, sourceType: string): VoicedRow {
  if (!row.voice.seen.some(([, knowledge]) => Object.hasOwn(knowledge, sourceType))) return row;
  const seen = row.voice.seen.map(([turn, { [sourceType]: _, ...knowledge }]): Voice['seen'][number] => [turn, knowledge]);
  return { ...row, voice: { ...row.voice, seen } };
}

/** What a word from before a departure claims to know beyond what the rows of today can have said. */
export function credibleKnowledge(knowledge: Knowledge, { rows }: ConflictView): Knowledge {
  const turns = new Map(rows.map(voiced).map(({ sourceType, voice }) => [sourceType, voice.turn]));
  const credible: Record<string, number> = {};
  for (const [source, turn] of Object.entries(knowledge)) {
    const known = Math.min(turn, turns.get(source) ?? 0);
    if (known > 0) credible[source] = known;
  }
  return credible;
}
