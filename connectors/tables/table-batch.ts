import { canonicalText } from '../../core/canonical/canonical.ts';
import type { JsonObject } from '../../core/json.ts';
import type { TargetChange, TargetResult, TargetRow } from '../../core/ports/target-connector.ts';

/** A key as a dialect finds its row by it. */
export interface TableKey {
  readonly columns: JsonObject;
}

/** A write in hand: what is to stand under the key, and where its result belongs. */
export interface Planned<Key extends TableKey> {
  readonly at: number;
  readonly key: Key;
  readonly doc: JsonObject;
}

export type SavepointStep = 'set' | 'restore' | 'release';

/** The steps as most databases take them. */
export const savepointStatements: Readonly<Record<SavepointStep, string>> = {
  set: 'SAVEPOINT probe',
  restore: 'ROLLBACK TO SAVEPOINT probe',
  release: 'RELEASE SAVEPOINT probe',
};

/** The rows of one table in one transaction: the dialect of a database. Lists are never empty. */
export interface TableRows<Key extends TableKey> {
  /** The rows under these keys, each by the place of its key in the list. Locked, they are the newest, and stay until the end. */
  under(keys: readonly Key[], lock: boolean): Promise<Map<number, TargetRow>>;
  /** The first rows behind `after` in the order of their key, and where the last of them stands; null where there are none. */
  behind(
    after: JsonObject | null,
    limit: number,
  ): Promise<{ readonly rows: readonly TargetRow[]; readonly end: JsonObject | null }>;
  /** What was not said gets the column's default, and so does null where the column takes none. Rejects with `RowMoved`. */
  insert(planned: readonly Planned<Key>[]): Promise<void>;
  /** What was not said stays, and so does what the column does not take as null. */
  update(planned: readonly Planned<Key>[]): Promise<void>;
  delete(keys: readonly Key[]): Promise<void>;
  savepoint(step: SavepointStep): Promise<unknown>;
}

/** Another writer put a row in where none was, or took one away: what was decided on is gone. */
export class RowMoved extends Error {}

/** The changes of one kind in one transaction, all or none. */
export class TableBatch<Key extends TableKey> {
  readonly #rows: TableRows<Key>;
  /** As messages call the table. */
  readonly #name: string;

  constructor(rows: TableRows<Key>, name: string) {
    this.#rows = rows;
    this.#name = name;
  }

  async write(changes: readonly TargetChange[], keys: readonly Key[]): Promise<TargetResult[]> {
    const found = await this.#rows.under(keys, true);
    const [inserts, updates, deletes, probes]: [Planned<Key>[], Planned<Key>[], Planned<Key>[], Planned<Key>[]] = [
      [],
      [],
      [],
      [],
    ];
    for (const [at, change] of changes.entries()) {
      const decision = change.decide(found.get(at) ?? null);
      if (decision.kind === 'leave') continue;
      const key = keys[at]!;
      if (decision.kind === 'delete') deletes.push({ at, key, doc: key.columns });
      else {
        const planned = { at, key, doc: { ...decision.row, ...key.columns } };
        (decision.kind === 'probe' ? probes : found.has(at) ? updates : inserts).push(planned);
      }
    }
    if (deletes.length > 0) await this.#rows.delete(deletes.map(({ key }) => key));
    if (updates.length > 0) await this.#rows.update(updates);
    if (inserts.length > 0) await this.#rows.insert(inserts);
    const returned = await this.#returned([...inserts, ...updates]);
    const kept = await this.#keep(probes, found);
    const written = new Set([...inserts, ...updates, ...deletes].map(({ at }) => at));
    return changes.map((_change, at): TargetResult => {
      const before = found.get(at) ?? null;
      if (kept.has(at)) return { kind: 'written', replaced: before, returned: before };
      return written.has(at)
        ? { kind: 'written', replaced: before, returned: returned.get(at) ?? null }
        : { kind: 'left', found: before };
    });
  }

  /** Read again rather than returned by the statements: so it shows what triggers made of it afterwards, too. */
  async #returned(planned: readonly Planned<Key>[]): Promise<Map<number, TargetRow>> {
    if (planned.length === 0) return new Map();
    const rows = await this.#rows.under(
      planned.map(({ key }) => key),
      false,
    );
    if (rows.size !== planned.length) throw new RowMoved(`${this.#name} does not keep a row under its key`);
    return new Map([...rows].map(([index, row]) => [planned[index]!.at, row]));
  }

  /** One by one: there are few, after a crash. */
  async #keep(probes: readonly Planned<Key>[], found: ReadonlyMap<number, TargetRow>): Promise<Set<number>> {
    const kept = new Set<number>();
    for (const probe of probes) {
      const before = found.get(probe.at);
      if (before === undefined) continue;
      await this.#rows.savepoint('set');
      await this.#rows.update([probe]);
      const [after] = (await this.#returned([probe])).values();
      const isSame = after !== undefined && canonicalText(after) === canonicalText(before);
      if (isSame) kept.add(probe.at);
      else await this.#rows.savepoint('restore');
      await this.#rows.savepoint('release');
    }
    return kept;
  }
}
