import type { EntityId } from '../change-event.ts';
import type { JsonValue } from '../json.ts';
import {
  type Conflict,
  type ConflictField,
  type ConflictFieldStatus,
  type ConflictSide,
  type ConflictType,
  conflictIdOf,
  conflictOf,
  existenceField,
  type OpenConflict,
} from './conflict.ts';
import type { Race } from './existence.ts';
import type { Candidate } from './precedence.ts';
import { sameValue } from './values.ts';
import type { Verdict } from './verdict.ts';
import { dataAt, touchOf, type VoicedRow } from './voice.ts';

/** Fields that a decision from outside closes. */
export interface Closing {
  readonly conflictId: string;
  readonly fields: ReadonlySet<string>;
  readonly status: 'resolved' | 'skipped';
}

export interface Cause {
  readonly entityId: EntityId;
  readonly kind: string;
  readonly sourceType: string;
  readonly eventId: string;
}

/** Follows the conflicts of one entity through one change: which begin, move and end. */
export class ConflictLedger {
  readonly #cause: Cause;
  readonly #rows: readonly VoicedRow[];
  readonly #changed: VoicedRow | undefined;
  readonly #closing: Closing | undefined;
  readonly #open: Map<string, OpenConflict>;
  readonly #begun = new Map<string, OpenConflict>();
  readonly #moved = new Set<string>();

  /** `before` is the changing source's row before its change. */
  constructor(
    cause: Cause,
    rows: readonly VoicedRow[],
    before: VoicedRow | undefined,
    open: Readonly<Record<string, OpenConflict>> | undefined,
    closing: Closing | undefined,
  ) {
    this.#cause = cause;
    this.#rows = rows;
    this.#changed = before;
    this.#closing = closing;
    this.#open = new Map(Object.entries(open ?? {}));
  }

  holderOf(field: string): string | undefined {
    return this.#find(field, false)?.field.holder;
  }

  /** What was decided about a field; `lost` are the sides that lose here for the first time. */
  settleField(field: string, verdict: Verdict, lost: () => readonly Candidate[]): void {
    const found = this.#find(field, false);
    if (found !== undefined && this.#closes(found.conflictId, field)) {
      this.#close(found.conflictId, field, this.#closing!.status, verdict);
    } else if (verdict.contest !== null && !verdict.contest.settled) {
      const sides = verdict.contest.sides.map((side) => sideOf(side, field));
      if (found !== undefined) this.#rebase(found, field, verdict, sides);
      else this.#begin(field, verdict, sides, 'open');
      return;
    } else if (found !== undefined) {
      this.#endWithoutContest(found, field, verdict);
    }
    if (verdict.contest?.settled) {
      const losers = lost();
      const winner = verdict.contest.sides[0]!;
      if (losers.length > 0)
        this.#begin(
          field,
          verdict,
          [winner, ...losers].map((side) => sideOf(side, field)),
          'decided',
        );
    }
  }

  settleRaces(rule: string, races: readonly Race[], fresh: readonly Race[], alive: boolean): void {
    const found = this.#find(existenceField, true);
    const waiting = rule === 'manual' && races.length > 0;
    const verdict = existenceVerdict(rule, races, alive);
    if (found !== undefined && this.#closes(found.conflictId, existenceField)) {
      this.#close(found.conflictId, existenceField, this.#closing!.status, verdict);
    } else if (found !== undefined && waiting) {
      this.#rebase(found, existenceField, verdict, raceSides(races, alive));
    } else if (found !== undefined) {
      this.#close(found.conflictId, existenceField, 'superseded', verdict);
    } else if (waiting) {
      this.#begin(existenceField, verdict, raceSides(races, alive), 'open', 'update-delete');
    } else if (fresh.length > 0) {
      this.#begin(existenceField, existenceVerdict(rule, fresh, alive), raceSides(fresh, alive), 'decided', 'update-delete');
    }
  }

  /** The entity is gone, and with it what its fields were argued about. */
  entityGone(): void {
    const gone: Verdict = { value: undefined, source: null, eventId: null, rule: 'deleted', contest: null };
    for (const [conflictId, { type, fields }] of this.#open) {
      if (type === 'update-delete') continue;
      for (const [field, { status }] of Object.entries(fields)) {
        if (status === 'open')
          this.#close(conflictId, field, this.#closes(conflictId, field) ? this.#closing!.status : 'superseded', gone);
      }
    }
  }

  finish(): { readonly conflicts: Conflict[]; readonly open: Record<string, OpenConflict> | undefined } {
    const conflicts: Conflict[] = [];
    const open: Record<string, OpenConflict> = {};
    const { entityId, kind } = this.#cause;
    for (const [conflictId, conflict] of this.#open) {
      const line = conflictOf(entityId, kind, conflictId, conflict);
      if (this.#moved.has(conflictId)) conflicts.push(line);
      if (line.status === 'open') open[conflictId] = conflict;
    }
    for (const conflict of this.#begun.values()) {
      const line = conflictOf(entityId, kind, conflictIdOf(entityId, conflict.type, conflict.fields), conflict);
      conflicts.push(line);
      if (line.status === 'open') open[line.conflictId] = conflict;
    }
    return { conflicts, open: Object.keys(open).length > 0 ? open : undefined };
  }

  #closes(conflictId: string, field: string): boolean {
    return this.#closing?.conflictId === conflictId && this.#closing.fields.has(field);
  }

  #find(field: string, existence: boolean): { conflictId: string; field: ConflictField } | undefined {
    for (const [conflictId, { type, fields }] of this.#open) {
      const found = Object.hasOwn(fields, field) ? fields[field] : undefined;
      if (found?.status === 'open' && (type === 'update-delete') === existence) return { conflictId, field: found };
    }
    return undefined;
  }

  #begin(
    field: string,
    verdict: Verdict,
    sides: ConflictSide[],
    status: 'open' | 'decided',
    type: ConflictType = verdict.contest!.type,
  ): void {
    const rule = verdict.contest?.rule;
    const waitsFor = status === 'open' && type !== 'type-mismatch' && rule?.kind === 'webhook' ? 'webhook' : 'manual';
    const asked = waitsFor === 'webhook' && rule?.kind === 'webhook' ? rule.webhook.url : '';
    const group = `${status} ${type} ${waitsFor} ${asked}`;
    const conflict = this.#begun.get(group) ?? { type, waitsFor, source: this.#cause.sourceType, fields: {} };
    const base = type === 'update-delete' || this.#changed === undefined ? undefined : dataAt(this.#changed, field);
    conflict.fields[field] = fieldState(status, verdict, sides, base);
    this.#begun.set(group, conflict);
  }

  #rebase(found: { conflictId: string; field: ConflictField }, field: string, verdict: Verdict, sides: ConflictSide[]): void {
    const waiting = this.#waitingSides(found.field, field, sides, verdict.value);
    const next = fieldState('open', verdict, [...sides, ...waiting], found.field.base);
    if (sameSides(found.field.sides, next.sides) && found.field.holder === next.holder) return;
    this.#put(found.conflictId, field, next);
  }

  /** Nobody contradicts in the rows any more. A side that we overwrote there still waits for its answer. */
  #endWithoutContest(found: { conflictId: string; field: ConflictField }, field: string, verdict: Verdict): void {
    const { holder, sides } = found.field;
    const waiting = this.#waitingSides(found.field, field, [], verdict.value);
    const counted = verdict.rule === 'counter';
    if (waiting.length > 0 && (verdict.source === holder || counted) && verdict.contest === null) {
      const own = this.#rows.find((row) => row.sourceType === holder)!;
      const touch = touchOf(own, field);
      // A counter is held by its base, which may have no say in the field any more.
      const held = touch === null ? sides.filter(({ source }) => source === holder) : [sideOf({ row: own, touch }, field)];
      this.#rebase(found, field, { ...verdict, source: holder }, held);
      return;
    }
    const agreed = counted
      ? sides.every(({ source }) => this.#rows.some((row) => row.sourceType === source && !row.deleted))
      : sides.filter(({ source }) => this.#saysNow(source, field, verdict.value)).length > 1;
    this.#close(found.conflictId, field, agreed && verdict.contest === null ? 'converged' : 'superseded', verdict);
  }

  #saysNow(source: string, field: string, value: JsonValue | undefined): boolean {
    const row = this.#rows.find((candidate) => candidate.sourceType === source);
    return row !== undefined && touchOf(row, field) !== null && sameValue(dataAt(row, field), value);
  }

  /** Recorded sides whose source has no say in the field now, because the golden value was written over theirs. */
  #waitingSides(
    known: ConflictField,
    field: string,
    present: readonly ConflictSide[],
    value: JsonValue | undefined,
  ): ConflictSide[] {
    return known.sides.filter((side) => {
      if (side.source === known.holder || present.some(({ source }) => source === side.source)) return false;
      if (sameValue(side.value, value)) return false;
      const row = this.#rows.find(({ sourceType }) => sourceType === side.source);
      return row !== undefined && !row.deleted && touchOf(row, field) === null;
    });
  }

  #close(conflictId: string, field: string, status: ConflictFieldStatus, verdict: Verdict): void {
    const known = this.#open.get(conflictId)!.fields[field]!;
    const next = fieldState(status, verdict, known.sides, known.base);
    this.#put(conflictId, field, { ...next, rule: known.rule, holder: verdict.source ?? known.holder });
  }

  #put(conflictId: string, field: string, state: ConflictField): void {
    const conflict = this.#open.get(conflictId)!;
    this.#open.set(conflictId, { ...conflict, fields: { ...conflict.fields, [field]: state } });
    this.#moved.add(conflictId);
  }
}

function fieldState(
  status: ConflictFieldStatus,
  verdict: Verdict,
  sides: ConflictSide[],
  base: JsonValue | undefined,
): ConflictField {
  return {
    status,
    rule: verdict.rule,
    ...(base === undefined ? {} : { base }),
    holder: verdict.source ?? '',
    ...(verdict.value === undefined ? {} : { value: verdict.value }),
    sides,
  };
}

function sideOf({ row, touch }: Candidate, field: string): ConflictSide {
  const value = dataAt(row, field);
  return { source: row.sourceType, eventId: touch[2], atMs: touch[1], ...(value === undefined ? {} : { value }) };
}

function sameSides(left: readonly ConflictSide[], right: readonly ConflictSide[]): boolean {
  return (
    left.length === right.length &&
    left.every((side) => right.some((other) => side.source === other.source && side.eventId === other.eventId))
  );
}

function existenceVerdict(rule: string, races: readonly Race[], alive: boolean): Verdict {
  const race = races.find(({ updateWins }) => updateWins === alive) ?? races[0];
  const side = race === undefined ? undefined : alive ? race.update : race.deletion;
  return { value: !alive, source: side?.row.sourceType ?? null, eventId: side?.touch[2] ?? null, rule, contest: null };
}

function raceSides(races: readonly Race[], alive: boolean): ConflictSide[] {
  const sides = new Map<string, ConflictSide>();
  const add = ({ row, touch }: Candidate, value: boolean) =>
    sides.set(`${row.sourceType} ${value}`, { source: row.sourceType, eventId: touch[2], atMs: touch[1], value });
  for (const race of races) {
    add(alive ? race.update : race.deletion, !alive);
    add(alive ? race.deletion : race.update, alive);
  }
  return [...sides.values()];
}
