import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Checksum, type EntityId, goldenSourceType } from '../../core/change-event.ts';
import { type DeadLetter, deadLetterOf } from '../../core/dead-letter.ts';
import { SyncError } from '../../core/errors.ts';
import { eventIdOf } from '../../core/event-id.ts';
import { type JsonObject, parseExact } from '../../core/json.ts';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import {
  type BatchEffects,
  BatchRejected,
  type ConflictRow,
  type EventRow,
  EventsKnown,
  type StateRow,
  type SyncStore,
} from '../../core/ports/sync-store.ts';
import { positionOf } from '../../core/position.ts';

/** Empty tables of the test's own. */
export interface SyncStoreHarness {
  readonly store: SyncStore;
  /** How many records of the raw partition had each outcome. */
  counts(ref: PartitionRef): Promise<Readonly<Record<string, number>>>;
  close(): Promise<void>;
}

const ref: PartitionRef = { topic: 'entity.product', partition: 0 };
const raw: PartitionRef = { topic: 'source.shop.product', partition: 0 };
const nothing: BatchEffects = {
  events: [],
  states: [],
  conflicts: [],
  writeBacks: [],
  differences: { upserts: [], removals: [] },
  counts: [],
  replays: [],
  refused: [],
  outbox: { resolved: [], deadLetters: [], forgets: [] },
};

function event(key: string, n: number, data: JsonObject | null = { n }): EventRow {
  const position = positionOf(0, String(n));
  return {
    eventId: eventIdOf('shop', 'product', key, position, 1_767_225_600_000 + n),
    sourceType: 'SHOP',
    sourceId: key,
    entityId: `product:${key}` as EntityId,
    operation: data === null ? 'delete' : 'update',
    data,
    checksum: data === null ? null : ('a'.repeat(64) as Checksum),
    position,
    occurredAt: '2026-01-01T00:00:00.000Z',
    receivedAtMs: 1_767_225_600_000,
    status: 'applied',
    correlationId: 'c-1',
    goldenVersion: null,
  };
}

function state(of: EventRow, sourceType = of.sourceType, version = 1): StateRow {
  return {
    entityId: of.entityId,
    sourceType,
    kind: 'product',
    version,
    position: sourceType === goldenSourceType ? null : of.position,
    deleted: of.data === null,
    data: of.data,
    checksum: of.checksum,
    eventId: of.eventId,
    voice: null,
  };
}

function conflictOf(of: EventRow, details: JsonObject, status = 'open'): ConflictRow {
  return {
    conflictId: of.eventId,
    entityId: of.entityId,
    kind: 'product',
    sourceType: of.sourceType,
    conflictType: 'concurrent-update',
    status,
    resolution: 'manual',
    fields: ['price'],
    details,
  };
}

function letter(offset: number): DeadLetter {
  const subject = {
    origin: { ...raw, offset },
    stage: 'sync-manager',
    source: 'shop',
    kind: 'product',
    key: 'a',
    body: null,
  } as const;
  return deadLetterOf(subject, new SyncError('store.rejected', 'refused'), 1_767_225_600_000);
}

export function describeSyncStore(name: string, open: () => Promise<SyncStoreHarness>): void {
  describe(`${name} as a sync store`, () => {
    let harness: SyncStoreHarness;
    let store: SyncStore;

    beforeEach(async () => {
      harness = await open();
      store = harness.store;
    });
    afterEach(() => harness.close());

    async function write(effects: Partial<BatchEffects>, lease = store.acquire(ref)) {
      const held = await lease;
      const reach = { through: held.nextOffset + 1, settledThrough: held.settledThrough };
      return store.write(held, reach, { ...nothing, ...effects });
    }

    function statesOf(...keys: string[]): Promise<readonly StateRow[]> {
      return store.statesOf(keys.map((key) => `product:${key}` as EntityId));
    }

    it('the first owner begins at the beginning', async () => {
      expect(await store.acquire(ref)).toEqual({ ...ref, token: 1, nextOffset: 0, settledThrough: {} });
    });

    it('an owner finds where the one before it stopped', async () => {
      const lease = await store.acquire(ref);
      const settledThrough = { 'source.shop.product/0': 41 };
      const written = await store.write(lease, { through: 9, settledThrough }, nothing);
      expect(written).toEqual({ lease: { ...ref, token: 1, nextOffset: 9, settledThrough }, outboxId: null });
      expect(await store.acquire(ref)).toEqual({ ...ref, token: 2, nextOffset: 9, settledThrough });
    });

    it('rows are read as they were written', async () => {
      const applied = event('a', 1, { text: 'é 😀', number: 1.5, list: [1, { x: null }], no: false });
      const deleted = event('b', 2, null);
      await write({ events: [applied, deleted], states: [state(applied), state(applied, goldenSourceType, 7), state(deleted)] });
      expect(await statesOf('b')).toEqual([state(deleted)]);
      expect(await statesOf('nothing')).toEqual([]);
      const both = await statesOf('a');
      expect(both).toHaveLength(2);
      expect(both).toEqual(expect.arrayContaining([state(applied), state(applied, goldenSourceType, 7)]));
    });

    it('batches of several partitions that come at one moment move each their own, whatever becomes of the others', async () => {
      await write({ events: [event('known', 1)] });
      const leases = await Promise.all([1, 2, 3, 4].map((partition) => store.acquire({ ...ref, partition })));
      await store.acquire({ ...ref, partition: 2 });
      const keys = ['one', 'zombie', 'known', 'four'];
      const outcomes = await Promise.allSettled(
        leases.map((lease, at) => {
          const of = event(keys[at]!, 1);
          const count = { ...raw, partition: lease.partition, outcome: 'applied', count: at + 1 } as const;
          const effects: BatchEffects = {
            ...nothing,
            events: [of],
            states: [state(of), { ...state(of, goldenSourceType), data: { merged: at } }],
            counts: [count],
            outbox: { ...nothing.outbox, resolved: [of.entityId] },
          };
          return store.write(lease, { through: 5, settledThrough: { 'source.shop.product/0': at } }, effects);
        }),
      );
      expect(outcomes.map((one) => (one.status === 'rejected' ? one.reason.constructor : (one.value?.lease ?? null)))).toEqual([
        { ...leases[0], nextOffset: 5, settledThrough: { 'source.shop.product/0': 0 } },
        null,
        EventsKnown,
        { ...leases[3], nextOffset: 5, settledThrough: { 'source.shop.product/0': 3 } },
      ]);
      const stored = (await statesOf(...keys)).map(({ entityId, data }) => `${entityId} ${JSON.stringify(data)}`).sort();
      expect(stored).toEqual(
        ['four {"merged":3}', 'four {"n":1}', 'one {"merged":0}', 'one {"n":1}'].map((row) => `product:${row}`),
      );
      const published = await Promise.all(leases.map((lease) => store.pendingOutbox(lease)));
      expect(published.map((rows) => rows.flatMap(({ resolved }) => resolved))).toEqual([
        ['product:one'],
        [],
        [],
        ['product:four'],
      ]);
      const counted = await Promise.all([1, 2, 3, 4].map((partition) => harness.counts({ ...raw, partition })));
      expect(counted).toEqual([{ applied: 1 }, {}, {}, { applied: 4 }]);
    });

    it('what is asked at one moment is answered to whoever asked', async () => {
      await write({ events: [event('a', 1), event('b', 1)], states: [state(event('a', 1)), state(event('b', 1))] });
      const [b, none, a] = await Promise.all([statesOf('b'), statesOf('c'), statesOf('a')]);
      expect([b, none, a]).toEqual([[state(event('b', 1))], [], [state(event('a', 1))]]);
    });

    it('what partitions clear of their outboxes at one moment is gone for those who hold them', async () => {
      const leases = await Promise.all([1, 2].map((partition) => store.acquire({ ...ref, partition })));
      const effects = { ...nothing, outbox: { ...nothing.outbox, resolved: ['product:a' as EntityId] } };
      const written = await Promise.all(leases.map((lease) => store.write(lease, { through: 1, settledThrough: {} }, effects)));
      await store.acquire({ ...ref, partition: 2 });
      const cleared = await Promise.all(written.map((one) => store.clearOutbox(one!.lease, [one!.outboxId!])));
      expect(cleared).toEqual([true, false]);
      expect((await Promise.all(leases.map((lease) => store.pendingOutbox(lease)))).map((rows) => rows.length)).toEqual([0, 1]);
    });

    it('a later row of an entity and source takes the place of the earlier one', async () => {
      await write({ events: [event('a', 1)], states: [state(event('a', 1))] });
      await write({ events: [event('a', 2)], states: [state(event('a', 2), 'SHOP', 2)] });
      expect(await statesOf('a')).toEqual([state(event('a', 2), 'SHOP', 2)]);
    });

    it('who lost the partition writes nothing', async () => {
      const lost = store.acquire(ref);
      await lost;
      const held = await store.acquire(ref);
      const effects = {
        events: [event('a', 1)],
        states: [state(event('a', 1))],
        counts: [{ ...raw, outcome: 'applied', count: 1 }],
      } as const;
      expect(await write(effects, lost)).toBeNull();
      expect(await statesOf('a')).toEqual([]);
      expect(await harness.counts(raw)).toEqual({});
      expect((await store.acquire(ref)).nextOffset).toBe(held.nextOffset);
    });

    it('the same range is written once, even by the same owner', async () => {
      const lease = store.acquire(ref);
      expect(await write({ counts: [{ ...raw, outcome: 'applied', count: 1 }] }, lease)).not.toBeNull();
      expect(await write({ counts: [{ ...raw, outcome: 'applied', count: 1 }] }, lease)).toBeNull();
      expect(await harness.counts(raw)).toEqual({ applied: 1 });
    });

    it('of two transactions on one lease at the same time one takes place', async () => {
      const lease = store.acquire(ref);
      const results = await Promise.all([
        write({ counts: [{ ...raw, outcome: 'applied', count: 1 }] }, lease),
        write({ counts: [{ ...raw, outcome: 'applied', count: 1 }] }, lease),
      ]);
      expect(results.filter((result) => result !== null)).toHaveLength(1);
      expect(await harness.counts(raw)).toEqual({ applied: 1 });
    });

    it.each([
      ['in the one statement', {}],
      ['behind it', { conflicts: [conflictOf(event('a', 1), { text: 'a\u0000b' })] }],
    ])('a batch that fails %s leaves nothing behind, and the lease is good for another try', async (_, more) => {
      await write({ events: [event('a', 2)] });
      const lease = store.acquire(ref);
      const effects = {
        events: [event('b', 1), ...('conflicts' in more ? [] : [event('a', 2)])],
        states: [state(event('b', 1))],
        counts: [{ ...raw, outcome: 'applied', count: 1 } as const],
        outbox: { resolved: [event('b', 1).entityId], deadLetters: [], forgets: [] },
        ...more,
      };
      await expect(write(effects, lease)).rejects.toThrow('conflicts' in more ? BatchRejected : EventsKnown);
      expect(await statesOf('b')).toEqual([]);
      expect(await harness.counts(raw)).toEqual({});
      expect(await store.pendingOutbox(await lease)).toEqual([]);
      expect(await write({ events: [event('b', 1)], states: [state(event('b', 1))] }, lease)).not.toBeNull();
    });

    it('an event that is stored already makes the batch be decided again', async () => {
      await write({ events: [event('a', 1)] });
      await expect(write({ events: [event('a', 2), event('a', 1)], states: [state(event('a', 2))] })).rejects.toThrow(
        EventsKnown,
      );
      expect(await statesOf('a')).toEqual([]);
      const known = await store.knownEvents([event('a', 1).eventId, event('a', 2).eventId]);
      expect([...known]).toEqual([event('a', 1).eventId]);
    });

    it.each([
      ['U+0000', { text: 'a\u0000b' }],
      ['half of a surrogate pair', { text: 'a\ud800b' }],
    ])('a record with %s is rejected, not the world', async (_, data) => {
      const refused = event('a', 1, data);
      await expect(write({ events: [refused], states: [state(refused)] })).rejects.toThrow(BatchRejected);
      expect((await store.acquire(ref)).nextOffset).toBe(0);
    });

    it('counts add up', async () => {
      await write({ counts: [{ ...raw, outcome: 'applied', count: 3 }] });
      await write({
        counts: [
          { ...raw, outcome: 'applied', count: 2 },
          { ...raw, outcome: 'stale', count: 1 },
          { ...raw, partition: 1, outcome: 'applied', count: 9 },
        ],
      });
      expect(await harness.counts(raw)).toEqual({ applied: 5, stale: 1 });
    });

    it('the outbox holds what was committed, oldest first, until it is cleared', async () => {
      const first = { resolved: [event('a', 1).entityId], deadLetters: [letter(4)], forgets: [{ ...raw, key: 'a' }] };
      const second = { resolved: [event('b', 1).entityId, event('a', 1).entityId], deadLetters: [], forgets: [] };
      await write({ outbox: first });
      await write({});
      await write({ outbox: second });
      const lease = await store.acquire(ref);
      const rows = await store.pendingOutbox(lease);
      expect(rows.map(({ id: _, ...content }) => content)).toEqual([first, second]);
      expect(await store.clearOutbox(lease, [rows[0]!.id])).toBe(true);
      expect(await store.pendingOutbox(lease)).toEqual([rows[1]]);
    });

    it('a batch that publishes nothing leaves no row in the outbox, one that does says which', async () => {
      const outbox = { resolved: [event('a', 1).entityId], deadLetters: [], forgets: [] };
      const silent = await write({});
      const told = await write({ outbox }, Promise.resolve(silent!.lease));
      expect([silent!.outboxId, told!.outboxId]).toEqual([null, expect.any(Number)]);
      expect((await store.pendingOutbox(told!.lease)).map((row) => row.id)).toEqual([told!.outboxId]);
    });

    it('a row that leaves is gone, in the very transaction that brings what follows from it', async () => {
      const rows = [state(event('a', 1)), state(event('a', 1), goldenSourceType), state(event('b', 2))];
      await write({ events: [event('a', 1), event('b', 2)], states: rows });
      const emptied = { ...state(event('a', 3, null), goldenSourceType, 2) };
      const removals = [{ entityId: event('a', 1).entityId, sourceType: 'SHOP' }];
      await write({ events: [{ ...event('a', 3, null), operation: 'leave' }], states: [emptied], removals });
      expect(await statesOf('a')).toEqual([emptied]);
      expect(await statesOf('b')).toEqual([state(event('b', 2))]);
    });

    it('a row keeps which record of its source it is about', async () => {
      const [first, second] = [state(event('a', 1)), { ...state(event('b', 2)), tenure: 3 }];
      await write({ events: [event('a', 1), event('b', 2)], states: [first, second] });
      expect([...(await statesOf('a')), ...(await statesOf('b'))]).toEqual([first, second]);
      const later = { ...state({ ...event('b', 2), data: { n: 2, made: 'here' } }), tenure: -1, version: 2 };
      await write({ states: [later] });
      expect(await statesOf('b')).toEqual([later]);
      expect(await store.headsOf([event('b', 2).entityId])).toMatchObject([{ tenure: -1 }]);
    });

    it('what a record brings to another entity lies in the outbox with all its digits', async () => {
      const { eventId, position, occurredAt, correlationId, checksum } = event('a', 1);
      const data = parseExact('{"price":0.12345678901234567890123,"list":[1]}') as JsonObject;
      const known = { eventId, operation: 'snapshot', position, occurredAt, correlationId, checksum, data } as const;
      const rejoin = { from: event('b', 1).entityId, movedAt: 4, state: known };
      const outbox = { resolved: [], deadLetters: [], forgets: [], rejoins: [{ ...raw, key: 'a', rejoin }] };
      await write({ outbox });
      const [row] = await store.pendingOutbox(await store.acquire(ref));
      expect(row!.rejoins).toEqual(outbox.rejoins);
    });

    it('who lost the partition clears nothing and is told', async () => {
      await write({ outbox: { resolved: [event('a', 1).entityId], deadLetters: [], forgets: [] } });
      const lost = await store.acquire(ref);
      const rows = await store.pendingOutbox(lost);
      const held = await store.acquire(ref);
      expect(await store.clearOutbox(lost, [rows[0]!.id])).toBe(false);
      expect(await store.pendingOutbox(held)).toEqual(rows);
    });

    it('partitions whose outbox nobody publishes are found', async () => {
      await write({ outbox: { resolved: [event('a', 1).entityId], deadLetters: [], forgets: [] } });
      await write({ outbox: { resolved: [event('b', 1).entityId], deadLetters: [], forgets: [] } });
      expect(await store.strandedOutbox(0)).toEqual([ref]);
      expect(await store.strandedOutbox(3_600_000)).toEqual([]);
      const lease = await store.acquire(ref);
      const rows = await store.pendingOutbox(lease);
      await store.clearOutbox(
        lease,
        rows.map((row) => row.id),
      );
      expect(await store.strandedOutbox(0)).toEqual([]);
    });

    it('partitions have outboxes of their own', async () => {
      await write({ outbox: { resolved: [event('a', 1).entityId], deadLetters: [], forgets: [] } });
      expect(await store.pendingOutbox(await store.acquire({ ...ref, partition: 1 }))).toEqual([]);
    });

    it('a golden record is read with its version, a deletion as a value', async () => {
      const epoch = await store.epoch();
      const applied = event('a', 1);
      const deleted = event('b', 2, null);
      await write({
        events: [applied, deleted],
        states: [state(applied), state(applied, goldenSourceType, 7), state(deleted, goldenSourceType, 2)],
      });
      const golden = await store.goldenOf([applied.entityId, deleted.entityId, 'product:nothing' as EntityId]);
      expect(golden).toHaveLength(2);
      expect(golden).toEqual(
        expect.arrayContaining([
          expect.objectContaining({
            entityId: applied.entityId,
            version: { epoch, n: 7 },
            deleted: false,
            data: { n: 1 },
            eventId: applied.eventId,
          }),
          expect.objectContaining({
            entityId: deleted.entityId,
            version: { epoch, n: 2 },
            deleted: true,
            data: null,
            eventId: deleted.eventId,
          }),
        ]),
      );
    });
  });
}
