import type { ConflictRules } from '../core/config/conflict-policy.ts';
import { type ConflictPolicy, compileConflictPolicy, type PolicySource } from '../core/conflict/policy.ts';
import { WhatIf, type WhatIfReport } from '../core/conflict/what-if.ts';
import { isSyncError, SyncError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { EntityStore, Span } from '../core/ports/entity-store.ts';
import type { PageKey } from '../core/ports/read-store.ts';

export interface WhatIfDeps {
  readonly store: EntityStore;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** By kind: the policy in force, and the sources that have the kind. */
  readonly kinds: ReadonlyMap<string, { readonly policy: ConflictPolicy; readonly sources: readonly PolicySource[] }>;
}

export interface WhatIfQuestion {
  readonly kind: string;
  readonly rules: ConflictRules;
  readonly span: Span;
  readonly entityIds: readonly string[] | null;
  /** Entities looked at. */
  readonly limit: number;
  readonly examples: number;
  readonly after: string | null;
}

export interface WhatIfAnswer extends WhatIfReport {
  /** Why it ended before the last entity of the span; null where it did not. */
  readonly endedBy: 'time' | 'limit' | null;
  /** Where to go on. */
  readonly next: string | null;
}

const timeMax = 20_000;
const entitiesAtOnce = 200;
const eventsAtOnce = 1_000;
const questionsAtOnceMax = 2;

/** Replays stored history through another policy, entity by entity. Nothing is changed and nobody is asked. */
export class WhatIfDesk {
  readonly #deps: WhatIfDeps;
  readonly #timeMaxMs: number;
  #underWay = 0;

  constructor(deps: WhatIfDeps, timeMaxMs = timeMax) {
    this.#deps = deps;
    this.#timeMaxMs = timeMaxMs;
  }

  async answer(question: WhatIfQuestion): Promise<WhatIfAnswer> {
    const known = this.#deps.kinds.get(question.kind);
    if (known === undefined) throw invalidField('kind', `no source has the kind ${question.kind}`);
    const proposed = proposedPolicy(question, known.sources);
    if (this.#underWay >= questionsAtOnceMax) {
      throw new SyncError('request.rate-limited', `${questionsAtOnceMax} such questions are being answered: ask again`);
    }
    this.#underWay++;
    try {
      return await this.#replay(question, known.policy, proposed);
    } finally {
      this.#underWay--;
    }
  }

  async #replay(question: WhatIfQuestion, current: ConflictPolicy, proposed: ConflictPolicy): Promise<WhatIfAnswer> {
    const { store, clock } = this.#deps;
    const { kind, span, entityIds, limit } = question;
    const endsAtMs = clock.nowMs() + this.#timeMaxMs;
    const sinceMs = span.since === null ? Number.NEGATIVE_INFINITY : Date.parse(span.since);
    const whatIf = new WhatIf({ current, proposed, sinceMs }, question.examples);
    let through = question.after;
    let remaining = limit;
    while (remaining > 0) {
      const ids = await store.entitiesIn(kind, span, entityIds, through, Math.min(entitiesAtOnce, remaining));
      for (const id of ids) {
        // An entity is told whole or not at all.
        if (clock.nowMs() >= endsAtMs) return { ...whatIf.report(), endedBy: 'time', next: through };
        await this.#tell(whatIf, kind, id, span.until);
        through = id;
      }
      if (ids.length < Math.min(entitiesAtOnce, remaining)) return { ...whatIf.report(), endedBy: null, next: null };
      remaining -= ids.length;
    }
    const more = await store.entitiesIn(kind, span, entityIds, through, 1);
    const ended = more.length > 0;
    return { ...whatIf.report(), endedBy: ended ? 'limit' : null, next: ended ? through : null };
  }

  async #tell(whatIf: WhatIf, kind: string, entityId: string, until: string | null): Promise<void> {
    let after: PageKey | null = null;
    do {
      const page = await this.#deps.store.eventsOf(kind, [entityId], until, { after, limit: eventsAtOnce });
      for (const event of page.rows) whatIf.take(event);
      after = page.next;
    } while (after !== null);
    whatIf.endEntity();
  }
}

/** The policy's own complaints name its place in the configuration; here it stands in the body. */
function proposedPolicy({ kind, rules }: WhatIfQuestion, sources: readonly PolicySource[]): ConflictPolicy {
  try {
    return compileConflictPolicy(kind, rules, sources);
  } catch (error) {
    if (!isSyncError(error)) throw error;
    const path = Array.isArray(error.details.path) ? error.details.path.slice(2).map(String) : [];
    throw invalidField(['policy', ...path].join('.'), error.message.replace(/^conflicts\.\S+: /, ''));
  }
}

function invalidField(field: string, message: string): SyncError {
  return new SyncError('request.invalid', `body: ${field}: ${message}`, {
    details: { errors: [{ field, code: 'invalid', message }] },
  });
}
