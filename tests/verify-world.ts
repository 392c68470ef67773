import { MemoryClock } from '../adapters/memory/clock.ts';
import { MemoryTarget } from '../adapters/memory/memory-target.ts';
import { MemoryTargetStore, TargetRows } from '../adapters/memory/target-store.ts';
import { compileTargetPlan, type TargetPlan } from '../connectors/target-plan.ts';
import { sourceKind, targetKind } from '../connectors/verifier-kind.ts';
import { SystemComparison } from '../connectors/verifier-system.ts';
import { checksumOf } from '../core/canonical/canonical.ts';
import { type EntityId, type EventId, goldenSourceType } from '../core/change-event.ts';
import { compileEntityPlan } from '../core/entity-plan.ts';
import type { JsonObject } from '../core/json.ts';
import type { StateRow } from '../core/ports/sync-store.ts';
import type { TargetRow } from '../core/ports/target-connector.ts';
import type { VerificationTables, VerifiedKind } from '../core/ports/verification-tables.ts';
import { type Position, positionOf } from '../core/position.ts';
import { topicNames } from '../core/topics.ts';
import { isSuspect, type Suspect } from '../core/verify/finding.ts';

export const kind = 'product';
const topics = topicNames();
const codec = { encode: (event: unknown) => JSON.stringify(event), decode: (bytes: Buffer) => JSON.parse(bytes.toString()) };

export interface VerifyWorldOptions {
  /** Whether the system is a source as well. */
  readonly isSource: boolean;
  /** Whether it is written to. */
  readonly isTarget?: boolean;
  readonly deletes?: 'delete' | 'ignore';
  readonly onForeignChange?: 'overwrite' | 'keep';
  /** What the system makes of a row. */
  readonly normalise?: (row: TargetRow) => TargetRow;
}

/** What the tables hold and what a system holds, each set as a test wants it. The system calls `name` `label`. */
export class VerifyWorld {
  readonly target: MemoryTarget;
  readonly rows = new TargetRows();
  readonly plan: TargetPlan;
  readonly comparison: SystemComparison;
  readonly states = new Map<EntityId, StateRow[]>();
  /** Codes of dead letters by key. */
  readonly letters = new Map<string, string>();
  readonly #isSource: boolean;

  constructor({ isSource, isTarget = true, deletes = 'delete', onForeignChange = 'overwrite', normalise }: VerifyWorldOptions) {
    this.#isSource = isSource;
    this.target = new MemoryTarget('sku', normalise === undefined ? {} : { normalise });
    const mapping = { keep: 'mapped' as const, fields: { name: 'label', stock: 'stock' } };
    const source = compileEntityPlan({ source: 'crm', sourceType: 'CRM', kind, mapping }, topics);
    this.plan = compileTargetPlan({
      targetType: 'CRM',
      target: 'crm',
      kind,
      entity: { mapping: { keep: 'mapped', fields: { label: 'name', stock: 'stock' } }, deletes },
      onForeignChange,
      source: isSource
        ? { plan: source, counters: [], back: { topic: topics.raw('crm', kind), partitions: 1, codec }, echoes: true }
        : null,
      keyIsEntity: true,
      topics,
      canonicalPartitions: 1,
    });
    const clock = new MemoryClock();
    const store = new MemoryTargetStore({
      rows: this.rows,
      statesOf: (entityId) => this.states.get(entityId) ?? [],
      nowMs: () => clock.nowMs(),
    });
    const keyIn = (of: string, row: TargetRow) => this.target.keyOf(of, row);
    this.comparison = new SystemComparison({
      kind: isTarget ? targetKind(this.plan, { keyOf: keyIn }, clock) : sourceKind(source, true),
      reader: this.target,
      store,
      tables: this.#tables(),
      stream: null,
      toldAfterMs: 0,
    });
  }

  /** Sets the golden record, and what the system said, where it is a source; null: deleted. */
  knows(key: string, data: JsonObject | null, said: JsonObject | null = data): void {
    const entityId = `${kind}:${key}` as EntityId;
    const row = (sourceType: string, of: JsonObject | null, position: Position | null): StateRow => ({
      entityId,
      sourceType,
      kind,
      version: 1,
      position,
      deleted: of === null,
      checksum: of === null ? null : checksumOf(of),
      eventId: '00000000-0000-8000-8000-000000000001' as EventId,
      data: of,
      voice: null,
    });
    this.states.set(entityId, [
      row(goldenSourceType, data, null),
      row(this.#isSource ? 'CRM' : 'SHOP', said, positionOf(1, '0001')),
    ]);
  }

  /** As if the golden record had been written there, and this come of it. */
  wrote(key: string, data: JsonObject, made: TargetRow): void {
    const checksum = this.plan.comparable({ sku: key, ...made });
    const intended = checksumOf(this.plan.rowOf(data));
    this.rows.states.set(`crm\0${kind}:${key}`, { key, version: 1, intended, checksum, flips: 0, frozen: false });
  }

  /** Both passes, chunk by chunk. */
  async findings(limit = 3): Promise<Suspect[]> {
    const found: Suspect[] = [];
    for (const pass of this.comparison.passes) {
      for (let after: JsonObject | null = null; ; ) {
        const { sightings, next } = await this.comparison.chunk(pass, after, limit);
        found.push(...sightings.filter(isSuspect));
        if (next === null) break;
        after = next;
      }
    }
    return found;
  }

  #tables(): VerificationTables {
    const ids = () => [...this.states.keys()].sort();
    const named = (system: VerifiedKind, key: string) => {
      const written = [...this.rows.states].find(([name, state]) => name.startsWith(`${system.name}\0`) && state.key === key);
      return (written === undefined ? `${kind}:${key}` : written[0].split('\0')[1]!) as EntityId;
    };
    const lives = (system: VerifiedKind, key: string) => {
      const entityId = named(system, key);
      if (system.sourceType === null) return this.rows.states.get(`${system.name}\0${entityId}`)?.checksum != null;
      return this.states.get(entityId)?.some((row) => row.sourceType === system.sourceType && !row.deleted) === true;
    };
    return {
      entitiesAfter: async (_kind, after, limit) =>
        ids()
          .filter((id) => after === null || id > after)
          .slice(0, limit),
      entitiesOf: async (system, keys) => new Map(keys.map((key) => [key, named(system, key)])),
      livingKeys: async (system, keys) => new Set(keys.filter((key) => lives(system, key))),
      letterCodes: async (_system, keys) => new Map([...this.letters].filter(([key]) => keys.includes(key))),
      consistency: async () => ({ entities: [], exact: [] }),
    };
  }
}
