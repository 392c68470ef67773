import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checksumOf } from '../../core/canonical/canonical.ts';
import { type EntityId, type EventId, goldenSourceType } from '../../core/change-event.ts';
import type { Voice } from '../../core/conflict/voice.ts';
import type { WriteBackNote } from '../../core/conflict/write-back.ts';
import { type ExactNumber, numberFromText } from '../../core/json.ts';
import type { StateRow } from '../../core/ports/sync-store.ts';
import type { NewEcho, TargetSettlement, TargetStore } from '../../core/ports/target-store.ts';
import type { Position } from '../../core/position.ts';

/** Empty tables of the test's own. */
export interface TargetStoreHarness {
  readonly store: TargetStore;
  putStates(rows: readonly StateRow[]): Promise<void>;
  /** As the processor does it when a record moves. */
  rebind(key: string, to: EntityId): Promise<void>;
  /** As a person does it. */
  merge(from: EntityId, into: EntityId): Promise<void>;
  /** As the sync manager does it. */
  note(note: WriteBackNote): Promise<void>;
  /** The ids in the ledger, oldest first. */
  noted(): Promise<readonly string[]>;
  /** As a person does it. */
  replay(): Promise<void>;
  letterStatus(entityId: EntityId): Promise<string | undefined>;
  close(): Promise<void>;
}

const crm = { name: 'crm', sourceType: 'CRM' };
const ref = { topic: 'resolved.product', partition: 1 };
const chair = 'product:A' as EntityId;
const nothing: TargetSettlement = {
  written: [],
  closed: [],
  assured: [],
  states: [],
  letters: [],
  reached: [],
  counts: { known: 0, changed: 0, deleted: 0 },
};
const windowMs = 3_600_000;

function row(sourceType: string, more: Partial<StateRow> = {}): StateRow {
  const golden = sourceType === goldenSourceType;
  return {
    entityId: chair,
    sourceType,
    kind: 'product',
    version: 3,
    position: golden ? null : ('00000001:a' as Position),
    deleted: false,
    checksum: checksumOf({ stock: 1 }),
    eventId: '00000000-0000-8000-8000-000000000001' as EventId,
    data: { stock: 1 },
    voice: null,
    ...more,
  };
}

function echo(more: Partial<NewEcho> = {}): NewEcho {
  return {
    id: randomUUID(),
    entityId: chair,
    kind: 'product',
    key: 'A',
    version: 3,
    eventId: '00000000-0000-8000-8000-000000000001' as EventId,
    through: 2,
    knowledge: { SHOP: 4 },
    expected: null,
    intended: { sku: 'A', price: numberFromText('0.12345678901234567890123') as ExactNumber },
    replaced: null,
    echo: null,
    ...more,
  };
}

export function describeTargetStore(name: string, open: () => Promise<TargetStoreHarness>): void {
  describe(`${name} as a target store`, () => {
    let harness: TargetStoreHarness;
    let store: TargetStore;

    beforeEach(async () => {
      harness = await open();
      store = harness.store;
    });
    afterEach(() => harness.close());

    const look = async (identity: { name: string; sourceType: string | null } = crm) =>
      (await store.look(identity, 'product', [chair]))[0]!;

    it('an entity is seen with its golden record, the target’s own row and what the golden record knows', async () => {
      await harness.putStates([
        row(goldenSourceType, { version: 7 }),
        row('SHOP', { version: 4 }),
        row('CRM', { version: 2, data: { stock: 5 } }),
      ]);
      const view = await look();
      expect(view.golden).toEqual({
        version: 7,
        deleted: false,
        data: { stock: 1 },
        eventId: '00000000-0000-8000-8000-000000000001',
        knowledge: { SHOP: 4, CRM: 2 },
      });
      expect(view.own).toEqual({ turn: 2, position: '00000001:a', data: { stock: 5 } });
      expect(view).toMatchObject({ entityId: chair, boundKey: null, state: null, echoes: [] });
      const unsaid = { own: null, boundKey: null, state: null, golden: { ...view.golden, knowledge: {} } };
      expect(await look({ name: 'crm', sourceType: null })).toMatchObject(unsaid);
      expect(await store.look(crm, 'product', ['product:none' as EntityId])).toEqual([]);
    });

    it('a voice tells more than the version', async () => {
      const voice: Voice = { turn: 9, last: null, born: 0, first: null, touches: {}, seen: [] };
      await harness.putStates([
        row(goldenSourceType, { voice: { policy: 'p', of: { SHOP: 8, CRM: 9 } } }),
        row('CRM', { voice, deleted: true, data: null, checksum: null }),
      ]);
      expect(await look()).toMatchObject({ golden: { knowledge: { SHOP: 8, CRM: 9 } }, own: { turn: 9, data: null } });
    });

    it('a write-back is noted before it is made, completed after it, and goes when the next one of its entity begins', async () => {
      await harness.putStates([row(goldenSourceType)]);
      const lease = await store.acquire('crm', ref);
      const [first, second, third] = [echo(), echo({ version: 4 }), echo({ version: 5 })];
      expect(await store.begin(lease, [first])).toBe(true);
      expect((await look()).echoes).toMatchObject([{ ...first, state: 'pending', returned: null }]);
      const written = { id: first.id, replaced: { stock: 1 }, returned: { stock: 2 }, echo: null };
      expect(await store.settle(lease, { ...nothing, written: [written] }, windowMs)).toBe(true);
      expect((await look()).echoes).toMatchObject([
        { id: first.id, state: 'written', replaced: { stock: 1 }, returned: { stock: 2 } },
      ]);
      await store.settle(lease, { ...nothing, written: [{ ...written, returned: { stock: 9 } }] }, windowMs);
      expect((await look()).echoes, 'what was completed stays so').toMatchObject([{ returned: { stock: 2 } }]);
      await store.begin(lease, [second]);
      await store.settle(lease, { ...nothing, closed: [second.id] }, windowMs);
      expect((await look()).echoes.map(({ id, state }) => [id, state])).toEqual([[first.id, 'written']]);
      await harness.note({ id: first.id, heard: true, told: true, doubted: false });
      await store.begin(lease, [third]);
      expect((await look()).echoes.map(({ id }) => id)).toEqual([third.id]);
      expect((await look({ name: 'other', sourceType: null })).echoes).toEqual([]);
    });

    it('a write-back that is heard of before it is completed is heard of, and one that nobody has told of stays, but not too many', async () => {
      await harness.putStates([row(goldenSourceType)]);
      const lease = await store.acquire('crm', ref);
      const echoes = Array.from({ length: 12 }, (_, index) => echo({ version: 3 + index }));
      for (const { id } of echoes) {
        await store.begin(lease, [echoes.find((each) => each.id === id)!]);
        const doubted = id === echoes[0]!.id || id === echoes[9]!.id;
        await harness.note({ id, heard: true, told: id === echoes[0]!.id, doubted });
        await store.settle(
          lease,
          { ...nothing, written: [{ id, replaced: null, returned: { stock: 2 }, echo: null }] },
          windowMs,
        );
      }
      const shown = (await look()).echoes.map(({ id, state, doubted }) => [id, state, doubted]);
      expect(shown.at(-1)).toEqual([echoes[11]!.id, 'acknowledged', false]);
      expect(shown).toContainEqual([echoes[9]!.id, 'acknowledged', true]);
      expect(await harness.noted(), 'a doubt stays until it is looked at').toEqual(
        [echoes[0]!, ...echoes.slice(-9)].map(({ id }) => id),
      );
      await store.settle(lease, { ...nothing, assured: [echoes[9]!.id] }, windowMs);
      expect((await look()).echoes.filter(({ doubted }) => doubted).map(({ id }) => id)).toEqual([echoes[0]!.id]);
    });

    it('who lost the partition notes and completes nothing', async () => {
      await harness.putStates([row(goldenSourceType)]);
      const zombie = await store.acquire('crm', ref);
      const owner = await store.acquire('crm', ref);
      expect(owner.token).toBeGreaterThan(zombie.token);
      expect(await store.begin(zombie, [echo()])).toBe(false);
      expect(await store.settle(zombie, { ...nothing, counts: { known: 5, changed: 0, deleted: 0 } }, windowMs)).toBe(false);
      expect(await store.advance(zombie, 10)).toBeNull();
      expect((await look()).echoes).toEqual([]);
      expect((await store.guard('crm')).known).toBe(0);
      expect(await store.advance(owner, 10)).toMatchObject({ nextOffset: 10 });
      expect(await store.advance(owner, 11)).toBeNull();
      expect(await store.acquire('crm', ref)).toMatchObject({ nextOffset: 10 });
      expect(await store.acquire('other', ref)).toMatchObject({ nextOffset: 0, token: 1 });
    });

    it('what the target holds is kept, the last word on each entity', async () => {
      await harness.putStates([row(goldenSourceType)]);
      const lease = await store.acquire('crm', ref);
      const state = { key: 'A', version: 3, intended: checksumOf({}), checksum: null, flips: 1, frozen: false };
      await store.settle(lease, { ...nothing, states: [{ ...state, entityId: chair, kind: 'product' }] }, windowMs);
      expect((await look()).state).toEqual(state);
      await store.settle(
        lease,
        { ...nothing, states: [{ ...state, version: 4, frozen: true, entityId: chair, kind: 'product' }] },
        windowMs,
      );
      expect((await look()).state).toEqual({ ...state, version: 4, frozen: true });
    });

    it('a letter is open until the target holds that version or a newer one', async () => {
      const lease = await store.acquire('crm', ref);
      const letter = {
        entityId: chair,
        targetType: 'CRM',
        kind: 'product',
        key: 'A',
        version: 3,
        code: 'target.rejected',
        reason: 'odd \u0000 text',
        details: {},
      } as const;
      const reach = (version: number) => store.settle(lease, { ...nothing, reached: [{ entityId: chair, version }] }, windowMs);
      await store.settle(lease, { ...nothing, letters: [letter] }, windowMs);
      expect(await harness.letterStatus(chair)).toBe('parked');
      expect(await store.replaying(lease, 10)).toEqual([]);
      await harness.replay();
      expect(await store.replaying(lease, 10)).toEqual([chair]);
      expect(await store.replaying(await store.acquire('other', ref), 10)).toEqual([]);
      await reach(3);
      expect(await harness.letterStatus(chair)).toBe('applied');
      expect(await store.replaying(lease, 10)).toEqual([]);
      await store.settle(lease, { ...nothing, letters: [{ ...letter, version: 4 }] }, windowMs);
      await reach(5);
      expect(await harness.letterStatus(chair)).toBe('superseded');
    });

    it('a key belongs to the entity that got it first', async () => {
      const other = 'product:B' as EntityId;
      expect(await store.bind('crm', 'product', [{ entityId: chair, key: '7' }])).toEqual(new Map());
      await harness.putStates([row(goldenSourceType)]);
      expect((await look()).boundKey).toBe('7');
      const again = [
        { entityId: chair, key: '7' },
        { entityId: other, key: '8' },
      ];
      expect(await store.bind('crm', 'product', again)).toEqual(new Map());
      expect(await store.bind('crm', 'product', [{ entityId: other, key: '7' }])).toEqual(new Map([[other, chair]]));
    });

    it('the guard counts what was changed, and a paused target stays paused', async () => {
      const lease = await store.acquire('crm', ref);
      expect(await store.guard('crm')).toMatchObject({ state: 'running', known: 0, approvedUntilMs: null });
      await store.settle(lease, { ...nothing, counts: { known: 5, changed: 0, deleted: 0 } }, windowMs);
      await store.settle(lease, { ...nothing, counts: { known: -1, changed: 2, deleted: 1 } }, windowMs);
      expect(await store.guard('crm')).toMatchObject({ known: 4, changed: 2, deleted: 1 });
      await store.pause('crm', 'too much');
      await store.settle(lease, { ...nothing, counts: { known: 1, changed: 0, deleted: 0 } }, windowMs);
      expect(await store.guard('crm')).toMatchObject({ state: 'paused', reason: 'too much', known: 5 });
      await store.pause('new', 'first');
      expect(await store.guard('new')).toMatchObject({ state: 'paused', reason: 'first' });
    });

    describe('of a record that stands under another entity by now', () => {
      const table = 'product:B' as EntityId;

      async function write(entityId: EntityId, key: string): Promise<void> {
        const lease = await store.acquire('crm', ref);
        const noted = echo({ entityId, key });
        await store.begin(lease, [noted]);
        const checksum = checksumOf({ price: 1 });
        const state = { entityId, kind: 'product', key, version: 3, intended: checksum, checksum, flips: 0, frozen: false };
        const written = [{ id: noted.id, replaced: null, returned: { price: 1 }, echo: checksum }];
        await store.settle(lease, { ...nothing, written, states: [state] }, windowMs);
      }

      it('nothing is told as if it were still the first one’s, and the other one has its key', async () => {
        await harness.putStates([row(goldenSourceType), row(goldenSourceType, { entityId: table })]);
        await store.bind('crm', 'product', [{ entityId: chair, key: 'A' }]);
        await write(chair, 'A');
        expect((await store.look(crm, 'product', [chair]))[0]).toMatchObject({ boundKey: 'A', state: { key: 'A' } });
        await harness.rebind('A', table);
        expect((await store.look(crm, 'product', [chair]))[0]).toMatchObject({ boundKey: null, state: null, echoes: [] });
        expect((await store.look(crm, 'product', [table]))[0]).toMatchObject({ boundKey: 'A' });
      });

      it('a merged entity deletes nothing at a system that is a source, and its record there is the survivor’s', async () => {
        const gone = row(goldenSourceType, { deleted: true, data: null, checksum: null });
        await harness.putStates([gone, row('CRM'), row(goldenSourceType, { entityId: table })]);
        await store.bind('crm', 'product', [{ entityId: chair, key: 'A' }]);
        await write(chair, 'A');
        await harness.merge(chair, table);
        const before = { own: null, boundKey: null, state: null, echoes: [] };
        expect((await store.look(crm, 'product', [chair]))[0]).toMatchObject(before);
        expect((await store.look(crm, 'product', [table]))[0]).toMatchObject({ boundKey: 'A' });
        expect((await store.look({ name: 'crm', sourceType: null }, 'product', [chair]))[0]).toMatchObject({
          state: { key: 'A' },
        });
      });

      it('a deleted entity has no say over a key under which a living one was written since', async () => {
        const gone = row(goldenSourceType, { deleted: true, data: null, checksum: null });
        await harness.putStates([gone, row(goldenSourceType, { entityId: table })]);
        await write(chair, 'A');
        const asTarget = { name: 'crm', sourceType: null };
        expect((await store.look(asTarget, 'product', [chair]))[0]).toMatchObject({ state: { key: 'A' } });
        await write(table, 'A');
        expect((await store.look(asTarget, 'product', [chair]))[0]).toMatchObject({ state: null });
        expect((await store.look(asTarget, 'product', [table]))[0]).toMatchObject({ state: { key: 'A' } });
      });
    });
  });
}
