import { checksumOf } from '../canonical/canonical.ts';
import { type CanonicalRecord, goldenSourceType } from '../change-event.ts';
import { withdraw } from '../identity/withdrawal.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { HistoricEvent } from '../ports/entity-store.ts';
import { existenceField } from './conflict.ts';
import { type ConflictView, type Resolution, resolve } from './engine.ts';
import type { ConflictPolicy } from './policy.ts';
import { sameValue } from './values.ts';
import { valueAt } from './voice.ts';

/** A field that another policy would have left with another value. */
export interface FieldChange {
  /** Absent where the field was. */
  readonly was?: JsonValue;
  readonly wouldBe?: JsonValue;
  readonly source: string | null;
  readonly eventId: string | null;
  readonly rule: string;
}

export interface ReplayOutcome {
  /**
   * `uncertain`: the policy of today does not lead to the record that was either, because the history says nothing of
   * what was written back and when.
   */
  readonly verdict: 'same' | 'differs' | 'uncertain';
  /** Whether the record would exist; undefined where that would be as it was. */
  readonly deleted?: { readonly was: boolean; readonly wouldBe: boolean };
  readonly fields: Readonly<Record<string, FieldChange>>;
  /** Of an uncertain record: the fields that the history does not explain. */
  readonly unexplained: readonly string[];
  readonly openWas: number;
  readonly openWouldBe: number;
}

interface Reason {
  readonly source: string | null;
  readonly eventId: string | null;
  readonly rule: string;
}

/** One entity, told its history under one policy. */
class Telling {
  view: ConflictView = { golden: undefined, rows: [] };
  reasons = new Map<string, Reason>();

  take(record: CanonicalRecord, resolution: Resolution): void {
    for (const { field, verdict } of resolution.fields) this.reasons.set(field, verdict);
    this.view = viewAfter(this.view, resolution, record);
  }

  leave(policy: ConflictPolicy, record: CanonicalRecord): void {
    const { golden, rows } = withdraw(policy, this.view, record);
    const others = this.view.rows.filter(({ sourceType }) => sourceType !== record.sourceType);
    const after = others.map((row) => rows.find(({ sourceType }) => sourceType === row.sourceType) ?? row);
    this.view = { golden: goldenAfter(this.view.golden, golden, record), rows: after };
  }

  copy(): Telling {
    const copy = new Telling();
    copy.view = this.view;
    copy.reasons = new Map(this.reasons);
    return copy;
  }

  get data(): JsonObject | null {
    return this.view.golden?.data ?? null;
  }

  get open(): number {
    return Object.keys(this.view.golden?.voice?.open ?? {}).length;
  }
}

/** What one entity would be, had another policy held from some time on. Its events come in the order in which they were stored. */
export class EntityReplay {
  readonly #current: ConflictPolicy;
  readonly #proposed: ConflictPolicy;
  readonly #sinceMs: number;
  #asWas = new Telling();
  #asWouldBe: Telling | undefined;
  #recorded: JsonObject | null = null;

  constructor(current: ConflictPolicy, proposed: ConflictPolicy, sinceMs: number) {
    this.#current = current;
    this.#proposed = proposed;
    this.#sinceMs = sinceMs;
  }

  take({ record, left, golden }: HistoricEvent): void {
    if (golden !== undefined) this.#recorded = golden.data;
    if (record.receivedAtMs >= this.#sinceMs) this.#asWouldBe ??= this.#asWas.copy();
    if (left) {
      this.#asWas.leave(this.#current, record);
      this.#asWouldBe?.leave(this.#proposed, record);
      return;
    }
    this.#asWas.take(record, resolve(this.#current, this.#asWas.view, record));
    this.#asWouldBe?.take(record, resolve(this.#proposed, this.#asWouldBe.view, record));
  }

  /** The entity has no more events. */
  outcome(): ReplayOutcome {
    const wouldBe = this.#asWouldBe ?? this.#asWas;
    const rest = { fields: {}, unexplained: [], openWas: this.#asWas.open, openWouldBe: wouldBe.open };
    const unexplained = differingFields(this.#recorded, this.#asWas.data);
    if (unexplained.length > 0) return { ...rest, verdict: 'uncertain', unexplained };
    if (differingFields(this.#recorded, wouldBe.data).length === 0) return { ...rest, verdict: 'same' };
    const [was, is] = [this.#recorded, wouldBe.data];
    if (was === null || is === null) {
      return { ...rest, verdict: 'differs', deleted: { was: was === null, wouldBe: is === null } };
    }
    return { ...rest, verdict: 'differs', fields: changesOf(was, is, wouldBe.reasons) };
  }
}

function viewAfter(view: ConflictView, { row, golden }: Resolution, record: CanonicalRecord): ConflictView {
  if (row === undefined) return view;
  return {
    golden: goldenAfter(view.golden, golden, record),
    rows: [...view.rows.filter(({ sourceType }) => sourceType !== row.sourceType), row],
  };
}

function goldenAfter(
  before: ConflictView['golden'],
  { deleted, data, voice, moved }: Resolution['golden'],
  record: CanonicalRecord,
): NonNullable<ConflictView['golden']> {
  return {
    entityId: record.entityId,
    sourceType: goldenSourceType,
    kind: record.kind,
    version: (before?.version ?? 0) + (moved ? 1 : 0),
    position: null,
    deleted,
    data,
    checksum: data === null ? null : moved ? checksumOf(data) : (before?.checksum ?? null),
    eventId: moved || before === undefined ? record.eventId : before.eventId,
    voice,
  };
}

/** One that is deleted and one that is there differ in their existence alone. */
function differingFields(left: JsonObject | null, right: JsonObject | null): string[] {
  if (left === null || right === null) return left === right ? [] : [existenceField];
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].filter((name) => !sameValue(valueAt(left, name), valueAt(right, name))).sort();
}

function changesOf(was: JsonObject, is: JsonObject, reasons: ReadonlyMap<string, Reason>): Record<string, FieldChange> {
  const changes: Record<string, FieldChange> = {};
  for (const name of differingFields(was, is)) {
    const [before, after] = [valueAt(was, name), valueAt(is, name)];
    const { source, eventId, rule } = reasons.get(name) ?? { source: null, eventId: null, rule: 'absent' };
    changes[name] = {
      ...(before === undefined ? {} : { was: before }),
      ...(after === undefined ? {} : { wouldBe: after }),
      source,
      eventId,
      rule,
    };
  }
  return changes;
}
