import type { JsonObject } from '../json.ts';
import type { Conflict, GoldenRow, GoldenVoice } from './conflict.ts';
import { type Cause, type Closing, ConflictLedger } from './conflict-ledger.ts';
import { type Existence, existenceOf, type Race } from './existence.ts';
import { decideField } from './field-winner.ts';
import type { ConflictPolicy } from './policy.ts';
import type { Candidate } from './precedence.ts';
import { sameValue } from './values.ts';
import type { Incumbents, Verdict } from './verdict.ts';
import { dataAt, knowledgeOf, type VoicedRow, valueAt } from './voice.ts';

export interface FieldOutcome {
  readonly field: string;
  readonly verdict: Verdict;
}

export interface MergedGolden {
  readonly deleted: boolean;
  readonly data: JsonObject | null;
  readonly voice: GoldenVoice;
  /** Whether the data is other than before. The voice may be new even where it is not. */
  readonly moved: boolean;
}

export interface Merged {
  readonly golden: MergedGolden;
  readonly conflicts: readonly Conflict[];
  /** The fields that were looked at: all, or those the change touched. */
  readonly fields: readonly FieldOutcome[];
}

export interface MergeInput {
  readonly policy: ConflictPolicy;
  readonly golden: GoldenRow | undefined;
  readonly before: readonly VoicedRow[];
  readonly after: readonly VoicedRow[];
  /** Fields to look at where nothing else can have moved; null for all. */
  readonly changed: readonly string[] | null;
  readonly cause: Cause;
  readonly closing?: Closing | undefined;
}

/** Invariant 7: golden = merge(policy, rows). Where nothing waits for an answer, the rows alone say what the golden record is. */
export function mergeEntity(input: MergeInput): Merged {
  const { policy, golden, before, after } = input;
  const aliveBefore = golden !== undefined && !golden.deleted;
  const existence = existenceOf(policy, after, aliveBefore);
  const open = golden?.voice?.open;
  const touched = input.changed !== null && mayLookAtChangedOnly(input, existence) ? input.changed : null;
  const fields = existence.alive ? (touched ?? allFields(after, golden)) : [];
  const merging = new GoldenData(golden?.data ?? null, touched === null);
  const outcomes: FieldOutcome[] = [];
  // Most changes meet no conflict, and then nothing of this is needed.
  let ledger = open === undefined ? undefined : ledgerOf(input);
  const incumbents: Incumbents = {
    value: (field) => golden && dataAt(golden, field),
    holder: (field) => ledger?.holderOf(field),
  };
  const earlier = new Earlier(policy, before, aliveBefore);
  for (const field of fields) {
    const verdict = decideField(policy, field, existence.cast, incumbents);
    merging.set(field, verdict);
    outcomes.push({ field, verdict });
    if (verdict.contest === null && ledger === undefined) continue;
    ledger ??= ledgerOf(input);
    ledger.settleField(field, verdict, () => earlier.newLosers(field, verdict, incumbents));
  }
  if (existence.races.length > 0) ledger ??= ledgerOf(input);
  if (ledger !== undefined) {
    if (!existence.alive) ledger.entityGone();
    const rule = typeof policy.deleteRule === 'string' ? policy.deleteRule : policy.deleteRule.name;
    ledger.settleRaces(rule, existence.races, earlier.newRaces(existence.races), existence.alive);
  }
  const settled = ledger?.finish();
  const moved = golden === undefined || (existence.alive ? golden.data === null || merging.moved : aliveBefore);
  return {
    golden: {
      deleted: !existence.alive,
      data: existence.alive ? merging.data() : null,
      voice: goldenVoice(policy, after, settled?.open),
      moved,
    },
    conflicts: settled?.conflicts ?? [],
    fields: outcomes,
  };
}

function ledgerOf({ golden, before, after, cause, closing }: MergeInput): ConflictLedger {
  const changing = before.find(({ sourceType }) => sourceType === cause.sourceType);
  return new ConflictLedger(cause, after, changing, golden?.voice?.open, closing);
}

function goldenVoice(policy: ConflictPolicy, rows: readonly VoicedRow[], open: GoldenVoice['open']): GoldenVoice {
  const of = knowledgeOf(rows);
  return open === undefined ? { policy: policy.id, of } : { policy: policy.id, of, open };
}

/** Nobody came, went or was buried, and the golden record was made by these rules: only what the change touched can move. */
function mayLookAtChangedOnly({ policy, golden, before, after }: MergeInput, existence: Existence): boolean {
  if (golden?.voice?.policy !== policy.id || golden.deleted || !isStill(existence, after)) return false;
  for (const row of before) if (row.deleted || row.voice.death !== undefined) return false;
  return true;
}

function isStill(existence: Existence, rows: readonly VoicedRow[]): boolean {
  return existence.alive && existence.cast.speakers === rows;
}

function allFields(rows: readonly VoicedRow[], golden: GoldenRow | undefined): string[] {
  const fields = new Set<string>(golden?.data ? Object.keys(golden.data) : []);
  for (const { data, voice } of rows) {
    for (const field in data) fields.add(field);
    for (const field in voice.touches) fields.add(field);
  }
  return [...fields];
}

/** The golden record's data, copied only when a field of it moves. */
class GoldenData {
  readonly #before: JsonObject | null;
  #data: JsonObject | null;
  #moved = false;

  constructor(before: JsonObject | null, anew: boolean) {
    this.#before = before;
    this.#data = anew || before === null ? {} : null;
  }

  get moved(): boolean {
    return this.#moved;
  }

  set(field: string, { value }: Verdict): void {
    const was = this.#before === null ? undefined : valueAt(this.#before, field);
    const moved = was !== value && !sameValue(was, value);
    if (moved) this.#moved = true;
    if (this.#data === null) {
      if (!moved) return;
      this.#data = { ...this.#before };
    }
    if (value === undefined) delete this.#data[field];
    else this.#data[field] = value;
  }

  data(): JsonObject {
    return this.#moved || this.#before === null ? this.#data! : this.#before;
  }
}

/** What stood before the change: a side that had lost then is not reported again. */
class Earlier {
  readonly #policy: ConflictPolicy;
  readonly #rows: readonly VoicedRow[];
  readonly #alive: boolean;
  #existence: Existence | undefined;

  constructor(policy: ConflictPolicy, rows: readonly VoicedRow[], alive: boolean) {
    this.#policy = policy;
    this.#rows = rows;
    this.#alive = alive;
  }

  newLosers(field: string, verdict: Verdict, incumbents: Incumbents): Candidate[] {
    const { cast } = this.#existed();
    const losers = losersOf(field, verdict);
    if (losers.length === 0) return losers;
    const lostBefore = losersOf(field, decideField(this.#policy, field, cast, incumbents));
    return losers.filter(({ touch }) => !lostBefore.some((other) => other.touch[2] === touch[2]));
  }

  newRaces(races: readonly Race[]): Race[] {
    const lost = new Set(this.#existed().races.map(loserOf));
    return races.filter((race) => !lost.has(loserOf(race)));
  }

  #existed(): Existence {
    this.#existence ??= existenceOf(this.#policy, this.#rows, this.#alive);
    return this.#existence;
  }
}

function losersOf(field: string, { contest, value }: Verdict): Candidate[] {
  if (contest === null || !contest.settled) return [];
  if (contest.rule.kind === 'counter') return contest.sides.slice(1);
  return contest.sides.filter(({ row }) => !sameValue(dataAt(row, field), value));
}

function loserOf({ deletion, update, updateWins }: Race): string {
  const { row, touch } = updateWins ? deletion : update;
  return `${row.sourceType} ${touch[2]}`;
}
