import { describe, expect, it } from 'vitest';
import { checksumOf } from '../core/canonical/canonical.ts';
import { type CanonicalRecord, type EntityId, goldenSourceType } from '../core/change-event.ts';
import { conflictRulesSchema } from '../core/config/conflict-policy.ts';
import { compileConflictPolicy } from '../core/conflict/policy.ts';
import type { WriteBack } from '../core/conflict/write-back.ts';
import { deadLetterOf } from '../core/dead-letter.ts';
import { compileDifferencePairs } from '../core/differences/difference-pair.ts';
import { SyncError } from '../core/errors.ts';
import { eventIdOf } from '../core/event-id.ts';
import type { Leave } from '../core/identity/move.ts';
import type { JsonObject } from '../core/json.ts';
import type { BatchEffects, StateRow } from '../core/ports/sync-store.ts';
import { orderOf, positionOf } from '../core/position.ts';
import type { Arrival } from './arrival.ts';
import { decide } from './decide.ts';

const kind = 'product';
const chair = 'product:A' as EntityId;
const table = 'product:B' as EntityId;
const sources = [
  { name: 'shop', type: 'SHOP' },
  { name: 'erp', type: 'ERP' },
];
const policy = compileConflictPolicy(kind, conflictRulesSchema.parse({ default: 'newest_wins' }), sources);
const pairs =
  compileDifferencePairs({
    sources: Object.fromEntries(sources.map(({ name, type }) => [name, { type, entities: { [kind]: {} } }])),
    differences: [{ left: 'shop', right: 'erp' }],
  } as never).get(kind) ?? [];

function record(
  source: 'shop' | 'erp',
  n: number,
  data: JsonObject | null,
  more: Partial<CanonicalRecord> = {},
): CanonicalRecord {
  const position = positionOf(1, orderOf(n));
  const occurredAtMs = Date.UTC(2026, 0, 1) + n * 1_000;
  const eventId = eventIdOf(source, kind, '1', position, occurredAtMs);
  return {
    eventId,
    source,
    sourceType: source.toUpperCase(),
    kind,
    key: '1',
    entityId: chair,
    operation: data === null ? 'delete' : 'update',
    position,
    occurredAt: new Date(occurredAtMs).toISOString(),
    receivedAtMs: occurredAtMs,
    correlationId: eventId,
    checksum: data === null ? null : checksumOf(data),
    data,
    origin: { topic: `source.${source}.${kind}`, partition: 0, offset: n },
    ...more,
  };
}

function leave(change: CanonicalRecord, hasChange: boolean, more: Partial<Leave> = {}): Arrival {
  const eventId = eventIdOf('test', kind, change.key, change.position, 0);
  return {
    kind: 'leave',
    record: change,
    leave: { eventId, to: table, reason: 'match-key', by: null, tenure: 0, hasChange, ...more },
  };
}

function arrived(change: CanonicalRecord): Arrival {
  return { kind: 'record', record: change };
}

/** The tables of one entity, as batch after batch leaves them. */
class Tables {
  rows: StateRow[] = [];

  settle(arrivals: readonly Arrival[], more: Partial<Parameters<typeof decide>[0]> = {}): BatchEffects {
    const effects = decide({
      arrivals,
      heads: [],
      shared: this.rows,
      known: new Set(),
      writeBacks: [],
      policy,
      isShared: true,
      written: new Map(),
      pairs,
      ...more,
    });
    const gone = (row: StateRow) =>
      effects.removals?.some(({ entityId, sourceType }) => entityId === row.entityId && sourceType === row.sourceType);
    const written = (row: StateRow) =>
      effects.states.some(({ entityId, sourceType }) => entityId === row.entityId && sourceType === row.sourceType);
    this.rows = [...this.rows.filter((row) => !gone(row) && !written(row)), ...effects.states];
    return effects;
  }

  of(sourceType: string): StateRow | undefined {
    return this.rows.find((row) => row.sourceType === sourceType);
  }
}

function outcomes({ counts }: BatchEffects): Record<string, number> {
  return Object.fromEntries(counts.map(({ outcome, count }) => [outcome, count]));
}

describe('an entity that a record leaves', () => {
  it('is what the others say, keeps its differences exact, and sends on what the record said last', () => {
    const tables = new Tables();
    tables.settle([arrived(record('erp', 1, { price: 1 })), arrived(record('shop', 2, { price: 2, title: 'Lamp' }))]);
    const effects = tables.settle([leave(record('shop', 3, { price: 3, title: 'Desk' }), true)]);
    expect(tables.of('SHOP')).toBeUndefined();
    expect(tables.of(goldenSourceType)).toMatchObject({ data: { price: 1 }, deleted: false });
    expect(effects.differences.upserts).toMatchObject([{ kind: 'only_right' }]);
    expect(effects.outbox.rejoins).toMatchObject([
      {
        topic: 'source.shop.product',
        partition: 0,
        key: '1',
        rejoin: { from: chair, movedAt: 3, state: { data: { price: 3, title: 'Desk' } } },
      },
    ]);
    expect(outcomes(effects)).toEqual({ applied: 1 });
    expect(effects.events).toMatchObject([{ operation: 'leave', goldenVersion: 3, goldenData: { price: 1 } }]);
  });

  it('sends on its own row where that is newer than the change in hand, which is stale', () => {
    const tables = new Tables();
    tables.settle([arrived(record('shop', 5, { price: 5 }))]);
    const effects = tables.settle([leave(record('shop', 4, { price: 4 }), true)]);
    const { state } = effects.outbox.rejoins![0]!.rejoin;
    expect(state).toMatchObject({ data: { price: 5 }, position: positionOf(1, orderOf(5)), operation: 'snapshot' });
    expect(state!.occurredAt).toBe(record('shop', 5, null).occurredAt);
    expect(state!.eventId).not.toBe(record('shop', 5, null).eventId);
    expect(outcomes(effects)).toEqual({ stale: 1 });
  });

  it('is deleted with its last record, and says where that went', () => {
    const tables = new Tables();
    tables.settle([arrived(record('shop', 1, { price: 1 }))]);
    const effects = tables.settle([leave(record('shop', 2, null), false, { reason: 'link', by: 'Ann' })]);
    expect(tables.rows).toMatchObject([
      { sourceType: goldenSourceType, deleted: true, data: null, voice: { mergedInto: table } },
    ]);
    expect(effects.outbox.resolved).toEqual([chair]);
    tables.settle([arrived(record('shop', 3, { price: 3 }))]);
    expect(tables.of(goldenSourceType)!.voice).not.toHaveProperty('mergedInto');
  });

  it('lets it go without the change that no database takes, which is a dead letter', () => {
    const tables = new Tables();
    tables.settle([arrived(record('shop', 1, { price: 1 }))]);
    const change = record('shop', 2, { price: 2 });
    const { origin, source, key } = change;
    const subject = { origin, stage: 'sync-manager', source, kind, key, body: null } as const;
    const letter = deadLetterOf(subject, new SyncError('store.rejected', 'refused'), 0);
    const effects = tables.settle([{ ...leave(change, true), letter } as Arrival]);
    expect(tables.of('SHOP')).toBeUndefined();
    expect(effects.outbox.rejoins![0]!.rejoin.state).toMatchObject({ data: { price: 1 } });
    expect(effects.outbox.deadLetters).toEqual([letter]);
    expect(outcomes(effects)).toEqual({ 'dead-lettered': 1 });
  });

  it('sends on nothing of a change that the tables have, and says nothing of a record that is not the one that leaves', () => {
    const tables = new Tables();
    tables.settle([arrived(record('shop', 1, { price: 1 }, { tenure: 1 }))]);
    const change = record('shop', 2, { price: 2 });
    const effects = tables.settle([leave(change, true)], { known: new Set([change.eventId]) });
    expect(tables.of('SHOP')).toMatchObject({ data: { price: 1 } });
    expect(effects.outbox.rejoins![0]!.rejoin.state).toBeNull();
    expect(outcomes(effects)).toEqual({ duplicate: 1 });
  });

  it('does not take what others knew of the record for knowledge of the next one', () => {
    const tables = new Tables();
    tables.settle([arrived(record('shop', 1, { price: 1 })), arrived(record('shop', 2, { price: 2 }))]);
    tables.settle([arrived(record('erp', 3, { price: 3 }))]);
    const ledgerId = '01a1fca6-862b-8f36-bca4-7e1bcec98a41';
    const { eventId } = record('shop', 2, null);
    const word = (through: number): Arrival => ({
      kind: 'acknowledgement',
      ledgerId,
      acknowledgement: {
        entityId: chair,
        sourceType: 'ERP',
        kind,
        eventId,
        knowledge: { SHOP: 2, ERP: 1 },
        through,
        replaced: { price: 3 },
        returned: { price: 2 },
        checksum: checksumOf({ price: 2 }),
        position: null,
      },
    });
    const writeBack: WriteBack = {
      id: ledgerId,
      entityId: chair,
      target: 'erp',
      eventId,
      knowledge: { SHOP: 2, ERP: 1 },
      heard: false,
      told: false,
      deletes: false,
      echo: checksumOf({ price: 2 }),
      expected: checksumOf({ price: 3 }),
      replaced: { price: 3 },
      returned: { price: 2 },
    };
    const asked = { writeBacks: [writeBack], written: new Map([['ERP', 'erp']]) };
    tables.settle([word(1)], asked);
    const seenBy = () => JSON.stringify((tables.of('ERP')!.voice as { seen: unknown }).seen);
    expect(seenBy()).toContain('SHOP');
    tables.settle([leave(record('shop', 4, null), false)]);
    expect(seenBy()).not.toContain('SHOP');
    tables.settle([word(1)], asked);
    expect(seenBy()).not.toContain('SHOP');
  });
});

describe('a record that follows another of its source', () => {
  it('takes its place whatever their positions, and nothing that comes late of the other takes it back', () => {
    const tables = new Tables();
    tables.settle([arrived(record('erp', 1, { price: 1 })), arrived(record('shop', 7, { price: 7, title: 'old' }))]);
    tables.settle([arrived(record('shop', 5, { price: 5 }, { key: '2', tenure: 1 }))]);
    expect(tables.of('SHOP')).toMatchObject({ data: { price: 5 }, tenure: 1, version: 1, voice: { turn: 1, born: 1 } });
    expect(tables.of(goldenSourceType)!.data).toEqual({ price: 5 });
    const late = tables.settle([arrived(record('shop', 9, null))]);
    expect(outcomes(late)).toEqual({ stale: 1 });
    expect(tables.of('SHOP')).toMatchObject({ data: { price: 5 }, deleted: false });
  });

  it('is the golden record of an entity that its source alone speaks of', () => {
    const tables = new Tables();
    tables.settle([arrived(record('shop', 7, { price: 7 }))], { isShared: false });
    tables.settle([arrived(record('shop', 5, { price: 5 }, { key: '2', tenure: 1 }))], { isShared: false });
    expect(tables.of(goldenSourceType)).toMatchObject({ data: { price: 5 }, version: 2 });
    expect(tables.of(goldenSourceType)).not.toHaveProperty('tenure');
  });
});

describe('a golden record that is not what comes of its rows', () => {
  const remerged: Arrival = { kind: 'remerge', entityId: chair, entityKind: kind };

  it('is merged anew when it is asked for, published, and counted nowhere; a second time changes nothing', () => {
    for (const isShared of [true, false]) {
      const tables = new Tables();
      tables.settle([arrived(record('erp', 1, { price: 1 }))], { isShared });
      const right = tables.of(goldenSourceType)!;
      const damaged = { ...right, data: { price: 99 } };
      tables.rows = tables.rows.map((row) => (row === right ? damaged : row));
      const effects = tables.settle([remerged], { isShared });
      expect(tables.of(goldenSourceType)).toMatchObject({ data: { price: 1 }, checksum: right.checksum, version: 2 });
      expect(effects).toMatchObject({ counts: [], events: [], outbox: { resolved: [chair] } });
      expect(tables.settle([remerged], { isShared })).toMatchObject({ states: [], outbox: { resolved: [] } });
    }
  });

  it('is made where it is missing, and mended where only its checksum is wrong', () => {
    const tables = new Tables();
    tables.settle([arrived(record('erp', 1, { price: 1 })), arrived(record('shop', 2, { price: 2 }))]);
    const right = tables.of(goldenSourceType)!;
    tables.rows = tables.rows.filter((row) => row !== right);
    tables.settle([remerged]);
    expect(tables.of(goldenSourceType)).toMatchObject({ data: { price: 2 }, checksum: right.checksum });
    tables.rows = tables.rows.map((row) => (row.sourceType === goldenSourceType ? { ...row, checksum: null } : row));
    tables.settle([remerged]);
    expect(tables.of(goldenSourceType)!.checksum).toBe(right.checksum);
    expect(new Tables().settle([remerged])).toMatchObject({ states: [] });
  });
});
