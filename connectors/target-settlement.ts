import type { Checksum, EntityId } from '../core/change-event.ts';
import type { ErrorCode, SyncError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { TargetRejected, type TargetRow } from '../core/ports/target-connector.ts';
import type { NewEcho, NewTargetLetter, TargetSettlement, TargetState, TargetView } from '../core/ports/target-store.ts';
import type { TargetOutcome } from '../core/ports/telemetry.ts';
import { rowWritten, stateAfter, type WriteIntent } from './target-intent.ts';
import type { TargetPlan } from './target-plan.ts';

/** Gathers what a batch has to write into the tables. */
export class Settlement {
  readonly tally = new Map<TargetOutcome, number>();
  readonly letters: NewTargetLetter[] = [];
  readonly #plan: TargetPlan;
  readonly #written: TargetSettlement['written'][number][] = [];
  readonly #closed: string[] = [];
  readonly #assured: string[] = [];
  readonly #states: (TargetState & { entityId: EntityId; kind: string })[] = [];
  readonly #reached: { entityId: EntityId; version: number }[] = [];
  readonly #counts = { known: 0, changed: 0, deleted: 0 };

  constructor(plan: TargetPlan) {
    this.#plan = plan;
  }

  get isEmpty(): boolean {
    const { written, closed, assured, states, letters, reached } = this.facts();
    return [written, closed, assured, states, letters, reached].every((rows) => rows.length === 0);
  }

  facts(): TargetSettlement {
    return {
      written: this.#written,
      closed: this.#closed,
      assured: this.#assured,
      states: this.#states,
      letters: this.letters,
      reached: this.#reached,
      counts: this.#counts,
    };
  }

  /** Nothing has to be done: then nothing is in the letters' way either, unless it is frozen. */
  skipped({ entityId, golden, state }: TargetView): void {
    if (!state?.frozen) this.#reached.push({ entityId, version: golden.version });
    this.#count('unchanged');
  }

  /** It was looked at, and is as we know it. */
  assured(view: TargetView): void {
    this.#assure(view);
    this.skipped(view);
  }

  written(
    intent: WriteIntent,
    echo: NewEcho,
    replaced: JsonObject | null,
    returned: JsonObject | null,
    checksum: Checksum | null,
    { found, foreign }: { found: TargetRow | null; foreign: boolean },
  ): void {
    // Who is no source tells of nothing that would have to be known again.
    if (this.#plan.source === null) this.#close(echo);
    else {
      const met = this.#plan.source.counters.length === 0 ? {} : { replaced };
      this.#written.push({ id: echo.id, ...met, returned, echo: checksum });
    }
    this.#assure(intent.view);
    this.#arrived(intent, rowWritten(intent, found), checksum);
    if (intent.row === null) {
      this.#counts.known--;
      this.#counts.deleted++;
    } else if (found === null) this.#counts.known++;
    else this.#counts.changed++;
    this.#count(foreign ? 'foreign-overwritten' : 'written');
  }

  same(intent: WriteIntent, echo: NewEcho | null, checksum: Checksum | null): void {
    this.#close(echo);
    if (intent.view.state === null && intent.row !== null) this.#counts.known++;
    this.#arrived(intent, intent.row, checksum);
    this.#count('unchanged');
  }

  /** Its own change decides what comes next. */
  refused(echo: NewEcho | null): void {
    this.#close(echo);
    this.#count('refused');
  }

  /** What we wrote there last stays what we hold the next one against. */
  kept(intent: WriteIntent, echo: NewEcho | null): void {
    this.#close(echo);
    this.#arrived(intent, intent.row, intent.view.state?.checksum ?? null);
    this.#count('foreign-kept');
  }

  rejected(view: TargetView, echo: NewEcho, error: TargetRejected | SyncError): void {
    this.#close(echo);
    const code = error instanceof TargetRejected ? 'target.rejected' : error.code;
    this.letter(view, echo.key, code, error.message, error.details);
  }

  frozen(view: TargetView, fields: readonly string[]): void {
    const { state } = view;
    const reason = `the target turned back ${fields.map((field) => `\`${field}\``).join(', ')} twice after our writes`;
    this.letter(view, state?.key ?? null, 'target.flapping', reason, { fields });
    if (state !== null) this.#state(view, { ...state, frozen: true });
  }

  letter(
    { entityId, golden }: TargetView,
    key: string | null,
    code: ErrorCode,
    reason: string,
    details: Readonly<Record<string, unknown>>,
  ): void {
    const { kind, targetType } = this.#plan;
    this.letters.push({ entityId, targetType, kind, key, version: golden.version, code, reason, details });
    this.#count('dead-lettered');
  }

  #arrived(intent: WriteIntent, row: TargetRow | null, checksum: Checksum | null): void {
    this.#state(intent.view, stateAfter(intent, row, checksum));
    this.#reached.push({ entityId: intent.view.entityId, version: intent.view.golden.version });
  }

  #state({ entityId }: TargetView, state: TargetState): void {
    this.#states.push({ ...state, entityId, kind: this.#plan.kind });
  }

  /** Of what came up in the meantime nothing is known yet. */
  #assure({ echoes }: TargetView): void {
    for (const { id, doubted } of echoes) if (doubted) this.#assured.push(id);
  }

  #close(echo: NewEcho | null): void {
    if (echo !== null) this.#closed.push(echo.id);
  }

  #count(outcome: TargetOutcome): void {
    this.tally.set(outcome, (this.tally.get(outcome) ?? 0) + 1);
  }
}
