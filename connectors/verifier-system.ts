import type { EntityId } from '../core/change-event.ts';
import type { JsonObject } from '../core/json.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { SystemReader, SystemRow } from '../core/ports/system-reader.ts';
import type { TargetConnector, TargetRow } from '../core/ports/target-connector.ts';
import type { TargetStore, TargetView } from '../core/ports/target-store.ts';
import type { VerificationTables, VerifiedKind } from '../core/ports/verification-tables.ts';
import type { Sighting, Subject } from '../core/verify/finding.ts';
import { keyAt } from './target-intent.ts';
import type { TargetPlan } from './target-plan.ts';
import type { ComparedChunk, Comparison } from './verifier-part.ts';
import { findingOf, sidesOf } from './verifier-record.ts';

export interface SystemComparisonDeps {
  readonly plan: TargetPlan;
  readonly reader: SystemReader & Pick<TargetConnector, 'keyOf'>;
  readonly store: Pick<TargetStore, 'look'>;
  readonly tables: VerificationTables;
  readonly clock: Clock;
  readonly toldAfterMs: number;
}

/** A record on both sides; the view is null where no record of ours is known by the key. */
export interface RecordLook {
  readonly subject: Subject;
  readonly view: TargetView | null;
  readonly key: string | null;
  readonly row: TargetRow | null;
}

/**
 * A system that can be read, held against what the tables say of it. First record by record as we know them, which finds what
 * differs and what is missing there; then row by row as the system has them, which finds what is missing here. So the two sides
 * need no order in common.
 */
export class SystemComparison implements Comparison {
  readonly passes = ['records', 'rows'] as const;
  readonly certain = false;
  readonly target: string;
  readonly toldAfterMs: number;
  readonly #deps: SystemComparisonDeps;
  readonly #kind: VerifiedKind;

  constructor(deps: SystemComparisonDeps) {
    const { target, kind, keyIsEntity, source } = deps.plan;
    this.#deps = deps;
    this.target = target;
    this.toldAfterMs = deps.toldAfterMs;
    this.#kind = { name: target, kind, keyIsEntity, sourceType: source?.plan.sourceType ?? null };
  }

  open(): Promise<void> {
    return this.#deps.reader.open();
  }

  chunk(pass: string, after: JsonObject | null, limit: number): Promise<ComparedChunk> {
    return pass === 'rows' ? this.#rows(after, limit) : this.#records(after, limit);
  }

  async again(subjects: readonly Subject[]): Promise<readonly Sighting[]> {
    return (await this.look(subjects)).map(({ subject, view, key, row }) => ({
      ...this.#sighting(view, key, row),
      key: subject.key,
      entityId: subject.entityId ?? view?.entityId ?? null,
    }));
  }

  /** Both sides of these records as they are now, in the order of the subjects. */
  async look(subjects: readonly Subject[]): Promise<readonly RecordLook[]> {
    const keys = subjects.flatMap(({ key }) => key ?? []);
    const named = await this.#deps.tables.entitiesOf(this.#kind, keys);
    const entityOf = ({ key, entityId }: Subject) => entityId ?? (key === null ? undefined : named.get(key));
    const views = await this.#views(subjects.flatMap((subject) => entityOf(subject) ?? []));
    const keyed = subjects.map((subject) => {
      const view = views.get(entityOf(subject) ?? ('' as EntityId)) ?? null;
      return { subject, view, key: subject.key ?? (view === null ? undefined : this.#keyOf(view)) ?? null };
    });
    const rows = await this.#rowsUnder(keyed.flatMap(({ key }) => key ?? []));
    return keyed.map((look) => ({ ...look, row: look.key === null ? null : (rows.get(look.key) ?? null) }));
  }

  async #records(after: JsonObject | null, limit: number): Promise<ComparedChunk> {
    const { tables } = this.#deps;
    const ids = await tables.entitiesAfter(this.#kind.kind, (after?.entityId as EntityId | undefined) ?? null, limit);
    const views = [...(await this.#views(ids)).values()];
    const keyed = await this.#ownKeys(views.map((view) => ({ view, key: this.#keyOf(view) ?? null })));
    const rows = await this.#rowsUnder(keyed.flatMap(({ key }) => key ?? []));
    const sightings = keyed.map(({ view, key }) => this.#sighting(view, key, key === null ? null : (rows.get(key) ?? null)));
    return { records: ids.length, sightings, next: ids.length < limit ? null : { entityId: ids.at(-1)! } };
  }

  async #rows(after: JsonObject | null, limit: number): Promise<ComparedChunk> {
    const { reader, tables } = this.#deps;
    const { rows, next } = await reader.readRange(this.#kind.kind, after, limit);
    const living = await tables.livingKeys(
      this.#kind,
      rows.map(({ key }) => key),
    );
    const strange = await this.#unknown(rows.filter(({ key }) => !living.has(key)));
    return { records: rows.length, sightings: strange.length === 0 ? [] : await this.#ofRows(strange), next };
  }

  /** Without rows that we know by the same key written in another way, which only the system itself can tell. */
  async #unknown(rows: readonly SystemRow[]): Promise<readonly SystemRow[]> {
    const { reader, tables, plan } = this.#deps;
    const spellings = [...new Set(rows.flatMap(({ key }) => spellingsOf(key)))];
    const living = spellings.length === 0 ? new Set<string>() : await tables.livingKeys(this.#kind, spellings);
    if (living.size === 0) return rows;
    const found = await reader.readKeys(plan.kind, [...living]);
    const known = new Set(found.map(({ row }) => reader.keyOf(plan.kind, row)));
    return rows.filter(({ key }) => !known.has(key));
  }

  async #ofRows(rows: readonly SystemRow[]): Promise<Sighting[]> {
    const keys = rows.map(({ key }) => key);
    const named = await this.#deps.tables.entitiesOf(this.#kind, keys);
    const views = await this.#views([...named.values()]);
    return rows.map(({ key, row }) => this.#sighting(views.get(named.get(key) ?? ('' as EntityId)) ?? null, key, row));
  }

  /** A record that stands under another entity by now is that one's, whatever the entity is called. */
  async #ownKeys<T extends { readonly view: TargetView; readonly key: string | null }>(
    keyed: readonly T[],
  ): Promise<readonly T[]> {
    if (this.#kind.sourceType === null || keyed.length === 0) return keyed;
    const keys = keyed.flatMap(({ key }) => key ?? []);
    const named = await this.#deps.tables.entitiesOf(this.#kind, keys);
    return keyed.map((one) => {
      const holder = one.key === null ? undefined : named.get(one.key);
      return holder === undefined || holder === one.view.entityId ? one : { ...one, key: null };
    });
  }

  async #views(ids: readonly EntityId[]): Promise<Map<EntityId, TargetView>> {
    const views = ids.length === 0 ? [] : await this.#deps.store.look(this.#kind, this.#kind.kind, [...new Set(ids)]);
    return new Map(views.map((view) => [view.entityId, view]));
  }

  async #rowsUnder(keys: readonly string[]): Promise<Map<string, TargetRow>> {
    const rows = keys.length === 0 ? [] : await this.#deps.reader.readKeys(this.#kind.kind, [...new Set(keys)]);
    return new Map(rows.map(({ key, row }) => [key, row]));
  }

  /** Under which key the system has, or should have, the record. */
  #keyOf(view: TargetView): string | undefined {
    const { plan } = this.#deps;
    const said = plan.source === null && view.golden.data !== null ? this.#saidKey(view) : undefined;
    return keyAt(plan, view, said);
  }

  /** A golden record that cannot be mapped has no row: what is wrong with it is told when it is compared. */
  #saidKey({ golden }: TargetView): string | undefined {
    const { plan, reader } = this.#deps;
    try {
      return reader.keyOf(plan.kind, plan.rowOf(golden.data!));
    } catch {
      return undefined;
    }
  }

  #sighting(view: TargetView | null, key: string | null, row: TargetRow | null): Sighting {
    const { plan, reader, clock } = this.#deps;
    const finding = findingOf(plan, view, row, (of) => reader.keyOf(plan.kind, of), clock.nowMs());
    return { key, entityId: view?.entityId ?? null, finding, ...sidesOf(view, row) };
  }
}

/** As somebody may have written a key that a system pads, or of which it does not mind the case. */
function spellingsOf(key: string): string[] {
  return [key.trimEnd(), key.toLowerCase(), key.toUpperCase()].filter((spelling) => spelling !== key && spelling !== '');
}
