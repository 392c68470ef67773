import assert from 'node:assert/strict';
import { type EntityId, goldenSourceType } from '../core/change-event.ts';
import type { GoldenRow } from '../core/conflict/conflict.ts';
import type { ConflictView } from '../core/conflict/engine.ts';
import type { SourceRow } from '../core/conflict/voice.ts';
import type { StateHead, StateKey, StateRow } from '../core/ports/sync-store.ts';

/** The rows of one entity while a batch is decided: what the tables hold, and what the batch makes of it. */
export class EntityRows {
  /** As the tables hold them. */
  readonly before: readonly (StateHead | StateRow)[];
  readonly #rows = new Map<string, StateHead | StateRow>();
  readonly #touched = new Map<string, StateRow>();
  readonly #removed = new Set<string>();

  constructor(rows: readonly (StateHead | StateRow)[]) {
    this.before = rows;
    for (const row of rows) this.#rows.set(row.sourceType, row);
  }

  get touched(): Iterable<StateRow> {
    return this.#touched.values();
  }

  get after(): readonly (StateHead | StateRow)[] {
    return [...this.#rows.values()];
  }

  get golden(): StateHead | StateRow | undefined {
    return this.#rows.get(goldenSourceType);
  }

  of(sourceType: string): StateHead | StateRow | undefined {
    return this.#rows.get(sourceType);
  }

  /** Whether any other source than this one speaks of the entity. */
  isShared(sourceType: string): boolean {
    for (const other of this.#rows.keys()) if (other !== sourceType && other !== goldenSourceType) return true;
    return false;
  }

  /** Source types whose rows went and did not come again. */
  get removed(): Iterable<string> {
    return this.#removed;
  }

  put(row: StateRow): void {
    this.#removed.delete(row.sourceType);
    this.#rows.set(row.sourceType, row);
    this.#touched.set(row.sourceType, row);
  }

  remove(sourceType: string): void {
    this.#rows.delete(sourceType);
    this.#touched.delete(sourceType);
    if (this.before.some((row) => row.sourceType === sourceType)) this.#removed.add(sourceType);
  }

  /** As the conflict engine sees it: it wrote the voices, so it knows which row has which. */
  view(): ConflictView {
    const rows = [...this.#rows.values()].map(withData);
    return {
      golden: rows.find((row) => row.sourceType === goldenSourceType) as GoldenRow | undefined,
      rows: rows.filter((row) => row.sourceType !== goldenSourceType) as SourceRow[],
    };
  }
}

export class EntityTable {
  readonly #entities = new Map<EntityId, EntityRows>();

  /** `whole` rows take the place of heads. */
  constructor(heads: readonly StateHead[], whole: readonly StateRow[]) {
    const rows = new Map<EntityId, (StateHead | StateRow)[]>();
    for (const row of [...heads, ...whole]) {
      const known = rows.get(row.entityId);
      if (known) known.push(row);
      else rows.set(row.entityId, [row]);
    }
    for (const [entityId, known] of rows) this.#entities.set(entityId, new EntityRows(known));
  }

  of(entityId: EntityId): EntityRows {
    const known = this.#entities.get(entityId);
    if (known) return known;
    const fresh = new EntityRows([]);
    this.#entities.set(entityId, fresh);
    return fresh;
  }

  all(): Iterable<EntityRows> {
    return this.#entities.values();
  }

  removed(): StateKey[] {
    return [...this.#entities].flatMap(([entityId, entity]) =>
      [...entity.removed].map((sourceType) => ({ entityId, sourceType })),
    );
  }

  touched(): StateRow[] {
    return [...this.#entities.values()].flatMap((entity) => [...entity.touched]);
  }
}

/** Rows of shared entities were read with their data. */
function withData(row: StateHead | StateRow): StateRow {
  assert('data' in row, `the ${row.sourceType} row of ${row.entityId} was read without its data`);
  return row;
}
