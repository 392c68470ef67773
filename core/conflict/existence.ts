import type { ConflictPolicy } from './policy.ts';
import { type Candidate, compareByRule, knew } from './precedence.ts';
import type { Cast } from './verdict.ts';
import { operatorSourceType, type Touch, type VoicedRow } from './voice.ts';

/** One source deleted what another changed meanwhile. */
export interface Race {
  readonly deletion: Candidate;
  readonly update: Candidate;
  readonly updateWins: boolean;
}

export interface Existence {
  readonly alive: boolean;
  readonly cast: Cast;
  readonly races: readonly Race[];
}

/** `aliveBefore` is what the golden record is meanwhile, where a race is left to somebody. */
export function existenceOf(policy: ConflictPolicy, rows: readonly VoicedRow[], aliveBefore: boolean): Existence {
  if (isUndisturbed(rows)) return { alive: rows.some(hasDeed), cast: { speakers: rows, counting: rows }, races: noRaces };
  const deletions = policy.deletions === 'propagate' ? deletionsOf(rows) : rows.filter(isOperator).flatMap(deletionOf);
  const operator = rows.find(isOperator);
  const races: Race[] = [];
  const speakers = rows.filter((row) => stands(policy, row, deletions, operator, aliveBefore, races));
  const living = speakers.filter((row) => !isOperator(row) && !row.deleted);
  const cast = { speakers: speakers.filter((row) => !row.deleted), counting: speakers };
  return { alive: living.some(hasDeed), cast, races };
}

const noRaces: readonly Race[] = [];

function isUndisturbed(rows: readonly VoicedRow[]): boolean {
  for (const { deleted, voice, sourceType } of rows) {
    if (deleted || voice.death !== undefined || sourceType === operatorSourceType) return false;
  }
  return true;
}

/** A row that only our write-back made does not keep an entity alive. */
function hasDeed({ voice }: VoicedRow): boolean {
  return voice.last !== null;
}

function isOperator({ sourceType }: VoicedRow): boolean {
  return sourceType === operatorSourceType;
}

function deletionOf(row: VoicedRow): Candidate[] {
  return row.voice.death === undefined ? [] : [{ row, touch: row.voice.death }];
}

function deletionsOf(rows: readonly VoicedRow[]): Candidate[] {
  return rows.flatMap(deletionOf);
}

/** Whether a row takes part in spite of the deletions by others. A row that is deleted itself may still count. */
function stands(
  policy: ConflictPolicy,
  row: VoicedRow,
  deletions: readonly Candidate[],
  operator: VoicedRow | undefined,
  aliveBefore: boolean,
  races: Race[],
): boolean {
  let standing = true;
  for (const deletion of deletions) {
    if (deletion.row === row || isSpared(operator, deletion)) continue;
    const fate = fateUnder(policy, row, deletion, aliveBefore);
    if (fate === 'overcome') standing = false;
    else if (fate !== 'untouched') {
      races.push(fate);
      if (!fate.updateWins) standing = false;
    }
  }
  return standing;
}

function isSpared(operator: VoicedRow | undefined, deletion: Candidate): boolean {
  const spared = operator?.voice.spared;
  return spared !== undefined && knew({ row: operator!, touch: spared }, deletion);
}

function fateUnder(
  policy: ConflictPolicy,
  row: VoicedRow,
  deletion: Candidate,
  aliveBefore: boolean,
): 'untouched' | 'overcome' | Race {
  const { last, turn } = row.voice;
  if (row.deleted || last === null) {
    // Copies of ours and deleted records have nothing to say; what was counted in one stays counted until somebody who knew it deletes all.
    const present: Candidate = { row, touch: [row.deleted ? turn : turn + 1, 0, ''] };
    return (row.deleted ? knew(deletion, present) : !knew(present, deletion)) ? 'overcome' : 'untouched';
  }
  const update: Candidate = { row, touch: last };
  if (knew(update, deletion)) return 'untouched';
  if (knew(deletion, update) || isOperator(row) || isOnlyFound(row, last, deletion)) return 'overcome';
  return { deletion, update, updateWins: updateWins(policy, update, deletion, aliveBefore) };
}

/** A source that created its record after the deletion did more than to be found with it. */
function isOnlyFound(row: VoicedRow, last: Touch, deletion: Candidate): boolean {
  return last[0] <= row.voice.born && !(row.voice.created === true && last[1] > deletion.touch[1]);
}

function updateWins(policy: ConflictPolicy, update: Candidate, deletion: Candidate, aliveBefore: boolean): boolean {
  const rule = policy.deleteRule;
  if (rule === 'update_wins') return true;
  if (rule === 'delete_wins') return false;
  return rule.kind === 'manual' ? aliveBefore : compareByRule(rule, update, deletion) < 0;
}
