import { checksumOf } from '../canonical/canonical.ts';
import { type CanonicalRecord, goldenSourceType } from '../change-event.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import type { HistoricEvent } from '../ports/entity-store.ts';
import { isAfter } from '../position.ts';
import { type ConflictView, type Resolution, resolve } from './engine.ts';
import type { ConflictPolicy } from './policy.ts';
import { sameValue } from './values.ts';
import { operatorSourceType, valueAt } from './voice.ts';

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

  take(policy: ConflictPolicy, record: CanonicalRecord): void {
    const resolution = resolve(policy, this.view, record);
    for (const { field, verdict } of resolution.fields) this.reasons.set(field, verdict);
    this.view = viewAfter(this.view, resolution, record);
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

/** What one entity would be, had another policy held from some time on. Its events come in the order in which they came in. */
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

  take({ record, golden }: HistoricEvent): void {
    if (golden !== undefined) this.#recorded = golden.data;
    if (record.receivedAtMs >= this.#sinceMs) this.#asWouldBe ??= this.#asWas.copy();
    if (isOvertaken(this.#asWas.view, record)) return;
    this.#asWas.take(this.#current, record);
    this.#asWouldBe?.take(this.#proposed, record);
  }

  outcome(): ReplayOutcome {
    const wouldBe = this.#asWouldBe ?? this.#asWas;
    const open = { openWas: this.#asWas.open, openWouldBe: wouldBe.open };
    if (!isSame(this.#recorded, this.#asWas.data)) return { verdict: 'uncertain', fields: {}, ...open };
    if (isSame(this.#recorded, wouldBe.data)) return { verdict: 'same', fields: {}, ...open };
    const [was, is] = [this.#recorded, wouldBe.data];
    if (was === null || is === null) {
      return { verdict: 'differs', deleted: { was: was === null, wouldBe: is === null }, fields: {}, ...open };
    }
    return { verdict: 'differs', fields: changesOf(was, is, wouldBe.reasons), ...open };
  }
}

/** A change that its own source had overtaken before changes nothing. Decisions have no order. */
function isOvertaken(view: ConflictView, { sourceType, position }: CanonicalRecord): boolean {
  const before = sourceType === operatorSourceType ? undefined : view.rows.find((row) => row.sourceType === sourceType);
  return before?.position != null && !isAfter(position, before.position);
}

function viewAfter(view: ConflictView, { row, golden }: Resolution, record: CanonicalRecord): ConflictView {
  if (row === undefined) return view;
  const before = view.golden;
  const { deleted, data, voice, moved } = golden;
  return {
    golden: {
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
    },
    rows: [...view.rows.filter(({ sourceType }) => sourceType !== row.sourceType), row],
  };
}

function isSame(left: JsonObject | null, right: JsonObject | null): boolean {
  if (left === null || right === null) return left === right;
  return differingFields(left, right).length === 0;
}

function differingFields(left: JsonObject, right: JsonObject): string[] {
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
