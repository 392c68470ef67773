import { checksumOf } from '../core/canonical/canonical.ts';
import type { EntityId } from '../core/change-event.ts';
import type { ConflictPolicy } from '../core/conflict/policy.ts';
import type { DifferencePair } from '../core/differences/difference-pair.ts';
import type { JsonObject } from '../core/json.ts';
import type { EntityTables, EntityTablesChunk, VerificationTables } from '../core/ports/verification-tables.ts';
import type { Sighting, Subject } from '../core/verify/finding.ts';
import { inconsistencyOf } from '../core/verify/table-consistency.ts';
import type { ComparedChunk, Comparison } from './verifier-part.ts';

export interface TableComparisonDeps {
  readonly kind: string;
  readonly tables: VerificationTables;
  readonly policy: ConflictPolicy;
  readonly writtenBack: ReadonlySet<string>;
  readonly pairs: readonly DifferencePair[];
}

/** The tables held against themselves: every chunk is one snapshot, so nothing is on its way between its rows. */
export class TableComparison implements Comparison {
  readonly passes = ['entities'] as const;
  readonly certain = true;
  readonly target = null;
  readonly toldAfterMs = 0;
  readonly #deps: TableComparisonDeps;

  constructor(deps: TableComparisonDeps) {
    this.#deps = deps;
  }

  async open(): Promise<void> {}

  async isToldSince(): Promise<boolean> {
    return true;
  }

  async chunk(_pass: string, after: JsonObject | null, limit: number): Promise<ComparedChunk> {
    const which = { after: (after?.entityId as EntityId | undefined) ?? null, limit };
    const found = await this.#read(which);
    const last = found.entities.at(-1);
    const next = last === undefined || found.entities.length < limit ? null : { entityId: last.entityId };
    return { records: found.entities.length, sightings: found.entities.map((entity) => this.#sighting(entity, found)), next };
  }

  async again(subjects: readonly Subject[]): Promise<readonly Sighting[]> {
    const found = await this.#read(subjects.flatMap(({ entityId }) => entityId ?? []));
    return found.entities.map((entity) => this.#sighting(entity, found));
  }

  #read(which: Parameters<VerificationTables['consistency']>[1]): Promise<EntityTablesChunk> {
    return this.#deps.tables.consistency(this.#deps.kind, which, this.#deps.pairs);
  }

  #sighting(entity: EntityTables, { exact }: EntityTablesChunk): Sighting {
    const { policy, writtenBack } = this.#deps;
    // An entity that was asked for and is gone contradicts nothing.
    const finding = entity.rows.length === 0 ? null : inconsistencyOf(entity, { policy, writtenBack, exact });
    return { key: null, entityId: entity.entityId, finding, here: nothing, there: nothing };
  }
}

const nothing = checksumOf(null);

/** Whether every record that came in has an outcome. What does not add up, in words. */
export class AccountComparison implements Comparison {
  readonly passes = ['partitions'] as const;
  readonly certain = true;
  readonly target = null;
  readonly toldAfterMs = 0;
  readonly #faults: () => Promise<{ readonly partitions: number; readonly faults: readonly string[] }>;

  constructor(faults: () => Promise<{ readonly partitions: number; readonly faults: readonly string[] }>) {
    this.#faults = faults;
  }

  async open(): Promise<void> {}

  async isToldSince(): Promise<boolean> {
    return true;
  }

  async chunk(): Promise<ComparedChunk> {
    const { partitions, faults } = await this.#faults();
    return { records: partitions, sightings: faults.map(sightingOf), next: null };
  }

  async again(subjects: readonly Subject[]): Promise<readonly Sighting[]> {
    const { faults } = await this.#faults();
    return subjects.map((subject) => sightingOf(faults.find((fault) => fault === subject.key) ?? null, subject));
  }
}

function sightingOf(fault: string | null, subject?: Subject | number): Sighting {
  const key = typeof subject === 'object' ? subject.key : fault;
  const finding = fault === null ? null : { kind: 'inconsistent' as const, fields: [], reason: fault };
  return { key, entityId: null, finding, here: nothing, there: nothing };
}
