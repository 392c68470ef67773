import type { EntityId } from '../core/change-event.ts';
import type { JsonObject } from '../core/json.ts';
import type { SystemReader, SystemRow } from '../core/ports/system-reader.ts';
import type { TargetRow } from '../core/ports/target-connector.ts';
import type { TargetStore, TargetView } from '../core/ports/target-store.ts';
import type { VerificationTables } from '../core/ports/verification-tables.ts';
import type { Sighting, Subject } from '../core/verify/finding.ts';
import type { ComparedKind } from './verifier-kind.ts';
import type { ComparedChunk, Comparison } from './verifier-part.ts';
import { faultFinding, neverTold, sidesOf } from './verifier-record.ts';
import type { StreamWatch } from './verifier-stream.ts';

export interface SystemComparisonDeps {
  readonly kind: ComparedKind;
  readonly reader: SystemReader;
  readonly store: Pick<TargetStore, 'look'>;
  readonly tables: VerificationTables;
  /** How we hear of the system's changes, where we read them; null where it tells by itself, or is no source. */
  readonly stream: StreamWatch | null;
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
  readonly target: string | null;
  readonly toldAfterMs: number;
  readonly #deps: SystemComparisonDeps;
  readonly #kind: ComparedKind;

  constructor(deps: SystemComparisonDeps) {
    this.#deps = deps;
    this.#kind = deps.kind;
    this.target = deps.kind.target;
    this.toldAfterMs = deps.toldAfterMs;
  }

  async open(): Promise<void> {
    await this.#deps.stream?.check();
    await this.#deps.reader.open();
  }

  async isToldSince(sinceMs: number, signal: AbortSignal): Promise<boolean> {
    return (await this.#deps.stream?.isToldSince(sinceMs, signal)) ?? true;
  }

  chunk(pass: string, after: JsonObject | null, limit: number): Promise<ComparedChunk> {
    return pass === 'rows' ? this.#rows(after, limit) : this.#records(after, limit);
  }

  async again(subjects: readonly Subject[]): Promise<readonly Sighting[]> {
    const looks = await this.#look(subjects);
    const sightings = await this.#explained(looks.map(({ view, key, found }) => this.#sighting(view, key, found)));
    return looks.map(({ subject, view }, at) => ({
      ...sightings[at]!,
      key: subject.key,
      entityId: subject.entityId ?? view?.entityId ?? null,
    }));
  }

  /** Both sides of these records as they are now, in the order of the subjects. */
  async look(subjects: readonly Subject[]): Promise<readonly RecordLook[]> {
    return (await this.#look(subjects)).map(({ found, ...look }) => ({ ...look, row: found?.row ?? null }));
  }

  async #look(subjects: readonly Subject[]) {
    const keys = subjects.flatMap(({ key }) => key ?? []);
    const named = await this.#deps.tables.entitiesOf(this.#kind, keys);
    const entityOf = ({ key, entityId }: Subject) => entityId ?? (key === null ? undefined : named.get(key));
    const views = await this.#views(subjects.flatMap((subject) => entityOf(subject) ?? []));
    const keyed = subjects.map((subject) => {
      const view = views.get(entityOf(subject) ?? ('' as EntityId)) ?? null;
      return { subject, view, key: subject.key ?? (view === null ? undefined : this.#kind.keyOf(view)) ?? null };
    });
    const rows = await this.#rowsUnder(keyed.flatMap(({ key }) => key ?? []));
    return keyed.map((look) => ({ ...look, found: look.key === null ? null : (rows.get(look.key) ?? null) }));
  }

  async #records(after: JsonObject | null, limit: number): Promise<ComparedChunk> {
    const { tables } = this.#deps;
    const ids = await tables.entitiesAfter(this.#kind.kind, (after?.entityId as EntityId | undefined) ?? null, limit);
    const views = [...(await this.#views(ids)).values()];
    const keyed = await this.#ownKeys(views.map((view) => ({ view, key: this.#kind.keyOf(view) ?? null })));
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
    const { reader, tables } = this.#deps;
    const { spelledKeyOf } = this.#kind;
    if (spelledKeyOf === undefined) return rows;
    const spellings = [...new Set(rows.flatMap(({ key }) => spellingsOf(key)))];
    const living = spellings.length === 0 ? new Set<string>() : await tables.livingKeys(this.#kind, spellings);
    if (living.size === 0) return rows;
    const found = await reader.readKeys(this.#kind.kind, [...living]);
    const known = new Set(found.map(({ row }) => spelledKeyOf(row)));
    return rows.filter(({ key }) => !known.has(key));
  }

  async #ofRows(rows: readonly SystemRow[]): Promise<Sighting[]> {
    const keys = rows.map(({ key }) => key);
    const named = await this.#deps.tables.entitiesOf(this.#kind, keys);
    const views = await this.#views([...named.values()]);
    return this.#explained(
      rows.map((row) => this.#sighting(views.get(named.get(row.key) ?? ('' as EntityId)) ?? null, row.key, row)),
    );
  }

  /** What a source told of and no stage could process is not unheard of. */
  async #explained(sightings: readonly Sighting[]): Promise<Sighting[]> {
    const keys = sightings.flatMap(({ key, finding }) => (finding?.reason === neverTold && key !== null ? [key] : []));
    const codes = keys.length === 0 ? new Map<string, string>() : await this.#deps.tables.letterCodes(this.#kind, keys);
    return sightings.map((sighting) => {
      const code = sighting.finding?.reason === neverTold ? codes.get(sighting.key ?? '') : undefined;
      if (code === undefined) return sighting;
      return { ...sighting, finding: { ...sighting.finding!, reason: `its change lies in the dead letters: ${code}` } };
    });
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

  async #rowsUnder(keys: readonly string[]): Promise<Map<string, SystemRow>> {
    const rows = keys.length === 0 ? [] : await this.#deps.reader.readKeys(this.#kind.kind, [...new Set(keys)]);
    return new Map(rows.map((row) => [row.key, row]));
  }

  #sighting(view: TargetView | null, key: string | null, found: SystemRow | null): Sighting {
    const row = found?.row ?? null;
    const finding = found?.fault === undefined ? this.#kind.findingOf(view, row) : faultFinding(view, found.fault);
    return { key, entityId: view?.entityId ?? null, finding, ...sidesOf(view, row) };
  }
}

/** As somebody may have written a key that a system pads, or of which it does not mind the case. */
function spellingsOf(key: string): string[] {
  return [key.trimEnd(), key.toLowerCase(), key.toUpperCase()].filter((spelling) => spelling !== key && spelling !== '');
}
