import type { HistoricEvent } from '../ports/entity-store.ts';
import type { ConflictPolicy } from './policy.ts';
import { EntityReplay, type FieldChange, type ReplayOutcome } from './replay.ts';

export interface WhatIfExample {
  readonly entityId: string;
  readonly deleted?: { readonly was: boolean; readonly wouldBe: boolean };
  readonly fields: Readonly<Record<string, FieldChange>>;
}

/** An entity that the history alone does not explain, and the fields in which. */
export interface UncertainExample {
  readonly entityId: string;
  readonly fields: readonly string[];
}

export interface WhatIfReport {
  readonly entities: number;
  readonly events: number;
  /** Entities that would be other than they were. */
  readonly differ: number;
  /** Entities that the history alone does not explain: nothing is said about them. */
  readonly uncertain: number;
  /** Fields that would differ, by the rule that would decide them. Existence counts under `deleted`. */
  readonly byRule: Readonly<Record<string, number>>;
  readonly byField: Readonly<Record<string, number>>;
  readonly openConflicts: { readonly was: number; readonly wouldBe: number };
  readonly examples: readonly WhatIfExample[];
  readonly uncertainExamples: readonly UncertainExample[];
}

export interface WhatIfPolicies {
  readonly current: ConflictPolicy;
  readonly proposed: ConflictPolicy;
  /** The proposed one holds for what came in from then on. */
  readonly sinceMs: number;
}

/** Replays histories, which come entity by entity, and holds no more than one of them. */
export class WhatIf {
  readonly #policies: WhatIfPolicies;
  readonly #examplesMax: number;
  #replay: { readonly entityId: string; readonly replay: EntityReplay } | undefined;
  #entities = 0;
  #events = 0;
  #differ = 0;
  #uncertain = 0;
  #openWas = 0;
  #openWouldBe = 0;
  readonly #byRule = new Map<string, number>();
  readonly #byField = new Map<string, number>();
  readonly #examples: WhatIfExample[] = [];
  readonly #uncertainExamples: UncertainExample[] = [];

  constructor(policies: WhatIfPolicies, examplesMax: number) {
    this.#policies = policies;
    this.#examplesMax = examplesMax;
  }

  take(event: HistoricEvent): void {
    const { entityId } = event.record;
    if (this.#replay?.entityId !== entityId) {
      this.endEntity();
      const { current, proposed, sinceMs } = this.#policies;
      this.#replay = { entityId, replay: new EntityReplay(current, proposed, sinceMs) };
    }
    this.#replay!.replay.take(event);
    this.#events++;
  }

  /** The entity of the last event has no more. */
  endEntity(): void {
    if (this.#replay === undefined) return;
    const { entityId, replay } = this.#replay;
    this.#count(entityId, replay.outcome());
    this.#replay = undefined;
  }

  report(): WhatIfReport {
    return {
      entities: this.#entities,
      events: this.#events,
      differ: this.#differ,
      uncertain: this.#uncertain,
      byRule: Object.fromEntries(this.#byRule),
      byField: Object.fromEntries(this.#byField),
      openConflicts: { was: this.#openWas, wouldBe: this.#openWouldBe },
      examples: this.#examples,
      uncertainExamples: this.#uncertainExamples,
    };
  }

  #count(entityId: string, { verdict, deleted, fields, unexplained, openWas, openWouldBe }: ReplayOutcome): void {
    this.#entities++;
    this.#openWas += openWas;
    this.#openWouldBe += openWouldBe;
    if (verdict === 'uncertain') {
      this.#uncertain++;
      if (this.#uncertainExamples.length < this.#examplesMax) this.#uncertainExamples.push({ entityId, fields: unexplained });
    }
    if (verdict !== 'differs') return;
    this.#differ++;
    if (deleted !== undefined) raise(this.#byRule, 'deleted');
    for (const [field, { rule }] of Object.entries(fields)) {
      raise(this.#byRule, rule);
      raise(this.#byField, field);
    }
    if (this.#examples.length < this.#examplesMax) {
      this.#examples.push({ entityId, ...(deleted === undefined ? {} : { deleted }), fields });
    }
  }
}

function raise(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
