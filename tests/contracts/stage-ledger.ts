import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Checksum, EntityId } from '../../core/change-event.ts';
import { eventIdOf } from '../../core/event-id.ts';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import type { EntryClaim, StageLedger } from '../../core/ports/stage-ledger.ts';
import type { BatchEffects, SyncStore } from '../../core/ports/sync-store.ts';
import { orderOf, type Position, positionOf } from '../../core/position.ts';
import type { RefusedChange } from '../../core/refused-change.ts';

/** Empty tables of the test's own. */
export interface StageLedgerHarness {
  readonly ledger: StageLedger;
  /** What was counted of the partition. */
  counts(ref: PartitionRef): Promise<{ forwarded: number; stopped: Readonly<Record<string, number>> }>;
  /** On the same tables. */
  readonly store: SyncStore;
  /** The letter of this id was heard of, and has come to this without a replay. */
  letter(id: string, status: 'parked' | 'applied' | 'discarded'): Promise<void>;
  close(): Promise<void>;
}

const ref: PartitionRef = { topic: 'source.shop.product', partition: 3 };
const canonical: PartitionRef = { topic: 'entity.product', partition: 1 };
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

function positionAt(n: number): Position {
  return positionOf(1, orderOf(n));
}

function claimOf(key: string, n: number, offset: number): EntryClaim {
  return { entityId: `product:${key}` as EntityId, canonical, key, position: positionAt(n), offset };
}

function refusedOf(key: string, n: number | null): RefusedChange {
  return { letterId: randomUUID(), ...ref, key, position: n === null ? null : positionAt(n) };
}

export function describeStageLedger(name: string, open: () => Promise<StageLedgerHarness>): void {
  describe(`${name} as a stage ledger`, () => {
    let harness: StageLedgerHarness;
    let ledger: StageLedger;

    beforeEach(async () => {
      harness = await open();
      ledger = harness.ledger;
    });
    afterEach(() => harness.close());

    it('the first owner begins at the beginning, with nothing claimed', async () => {
      const lease = await ledger.acquire(ref, 'config-a');
      expect(lease).toMatchObject({ ...ref, token: 1, previousToken: 0, nextOffset: 0, claimedThrough: 0, stoppedAhead: [] });
      expect(lease.era).not.toBe('');
    });

    it('every owner has a higher token, and finds what the one before it claimed and settled', async () => {
      const first = await ledger.acquire(ref, 'config-a');
      const claimed = await ledger.claim(first, 7, []);
      expect(claimed).toMatchObject({ token: 1, nextOffset: 0, claimedThrough: 7 });
      const settled = await ledger.settle(claimed!, 5, { forwarded: 5, stopped: {} });
      expect(settled).toMatchObject({ token: 1, nextOffset: 5, claimedThrough: 7 });
      const second = await ledger.acquire(ref, 'config-a');
      expect(second).toMatchObject({ token: 2, previousToken: 1, nextOffset: 5, claimedThrough: 7, era: first.era });
    });

    it('what an owner announced to stop is told to the next, until it is settled', async () => {
      const first = await ledger.acquire(ref, 'config-a');
      const claimed = await ledger.claim(first, 10, [2, 4]);
      expect(claimed!.stoppedAhead).toEqual([2, 4]);
      expect((await ledger.claim(claimed!, 10, [7, 8]))!.stoppedAhead).toEqual([2, 4, 7, 8]);
      const second = await ledger.acquire(ref, 'config-a');
      expect(second.stoppedAhead).toEqual([2, 4, 7, 8]);
      expect((await ledger.settle(second, 7, { forwarded: 5, stopped: { unchanged: 2 } }))!.stoppedAhead).toEqual([7, 8]);
      expect((await ledger.acquire(ref, 'config-a')).stoppedAhead).toEqual([7, 8]);
    });

    it('a claim never goes back', async () => {
      const lease = await ledger.acquire(ref, 'config-a');
      await ledger.claim(lease, 9, []);
      expect(await ledger.claim(lease, 4, [])).toMatchObject({ claimedThrough: 9 });
    });

    it('another configuration begins another era, and so does going back to the first', async () => {
      const first = await ledger.acquire(ref, 'config-a');
      const second = await ledger.acquire(ref, 'config-b');
      const third = await ledger.acquire(ref, 'config-a');
      expect(new Set([first.era, second.era, third.era]).size).toBe(3);
    });

    it('a begun era is the era of whoever follows', async () => {
      const lease = await ledger.acquire(ref, 'config-a');
      const renewed = await ledger.beginEra(lease);
      expect(renewed!.era).not.toBe(lease.era);
      expect(renewed).toMatchObject({ token: lease.token, nextOffset: 0 });
      expect((await ledger.acquire(ref, 'config-a')).era).toBe(renewed!.era);
    });

    it('who lost the partition changes nothing', async () => {
      const lost = await ledger.acquire(ref, 'config-a');
      const held = await ledger.acquire(ref, 'config-a');
      expect(await ledger.beginEra(lost)).toBeNull();
      expect(await ledger.claim(lost, 10, [])).toBeNull();
      expect(await ledger.settle(lost, 10, { forwarded: 6, stopped: { unchanged: 4 } })).toBeNull();
      expect(await harness.counts(ref)).toEqual({ forwarded: 0, stopped: {} });
      const after = await ledger.claim(held, 1, []);
      expect(after).toMatchObject({ era: held.era, nextOffset: 0, claimedThrough: 1 });
    });

    it('a range is counted once, however often it is settled', async () => {
      const lease = await ledger.acquire(ref, 'config-a');
      expect(await ledger.settle(lease, 5, { forwarded: 2, stopped: { unchanged: 2, filtered: 1 } })).not.toBeNull();
      expect(await ledger.settle(lease, 5, { forwarded: 2, stopped: { unchanged: 2, filtered: 1 } })).toBeNull();
      expect(await harness.counts(ref)).toEqual({ forwarded: 2, stopped: { unchanged: 2, filtered: 1 } });
    });

    it('partitions that settle at one moment settle each its own, whoever has lost theirs', async () => {
      const refs = [1, 2, 3].map((partition) => ({ ...ref, partition }));
      const leases = await Promise.all(refs.map((each) => ledger.acquire(each, 'config-a')));
      await ledger.claim(leases[0]!, 20, [4, 9]);
      await ledger.acquire(refs[1]!, 'config-a');
      const settled = await Promise.all(
        leases.map((lease, at) => ledger.settle(lease, 5 + at, { forwarded: at, stopped: { unchanged: at + 1 } })),
      );
      expect(settled[0]).toMatchObject({ ...refs[0], nextOffset: 5, stoppedAhead: [9], claimedThrough: 20, era: leases[0]!.era });
      expect(settled[1]).toBeNull();
      expect(settled[2]).toMatchObject({ ...refs[2], nextOffset: 7, stoppedAhead: [], era: leases[2]!.era });
      const counts = await Promise.all(refs.map((each) => harness.counts(each)));
      expect(counts).toEqual([
        { forwarded: 0, stopped: { unchanged: 1 } },
        { forwarded: 0, stopped: {} },
        { forwarded: 2, stopped: { unchanged: 3 } },
      ]);
    });

    it('ranges add up over owners', async () => {
      const first = await ledger.acquire(ref, 'config-a');
      const settled = await ledger.settle(first, 5, { forwarded: 4, stopped: { unchanged: 1 } });
      await ledger.settle(settled!, 6, { forwarded: 0, stopped: { unchanged: 1 } });
      const second = await ledger.acquire(ref, 'config-a');
      await ledger.settle(second, 8, { forwarded: 2, stopped: {} });
      expect(await harness.counts(ref)).toEqual({ forwarded: 6, stopped: { unchanged: 2 } });
    });

    it('partitions know nothing of each other', async () => {
      const lease = await ledger.acquire(ref, 'config-a');
      await ledger.settle(lease, 5, { forwarded: 5, stopped: {} });
      expect(await ledger.acquire({ ...ref, partition: 4 }, 'config-a')).toMatchObject({ token: 1, nextOffset: 0 });
    });

    describe('an entry of the cache', () => {
      /** A batch of the sync manager. */
      async function write(settledThrough: number, effects: Partial<BatchEffects>): Promise<void> {
        const lease = await harness.store.acquire(canonical);
        const reach = { through: lease.nextOffset + 1, settledThrough: { [`${ref.topic}/${ref.partition}`]: settledThrough } };
        expect(await harness.store.write(lease, reach, { ...nothing, ...effects })).not.toBeNull();
      }

      function stored({ entityId, key, position }: EntryClaim): Partial<BatchEffects> {
        const eventId = eventIdOf('shop', 'product', key, position, 1_767_225_600_000);
        const common = { entityId, kind: 'product', version: 1, deleted: false, data: {}, checksum: 'a'.repeat(64) as Checksum };
        return { states: [{ ...common, sourceType: 'SHOP', position, eventId, voice: null }] };
      }

      const proves = async (...claims: EntryClaim[]) => ledger.proves(ref, 'SHOP', claims);

      it('is proved when its position is stored and its partition settled through its offset', async () => {
        await write(7, stored(claimOf('a', 5, 7)));
        const claims = [claimOf('a', 5, 7), claimOf('a', 5, 8), claimOf('a', 4, 7), claimOf('b', 5, 7)];
        expect(await proves(...claims)).toEqual([true, false, false, false]);
        expect(await ledger.proves(ref, 'ERP', [claimOf('a', 5, 7)])).toEqual([false]);
        expect(await ledger.proves({ ...ref, partition: 4 }, 'SHOP', [claimOf('a', 5, 7)])).toEqual([false]);
      });

      it('is not proved while a newer change of its key was refused, before anyone heard of the dead letter', async () => {
        await write(7, stored(claimOf('a', 5, 7)));
        await write(8, { refused: [refusedOf('a', 6)] });
        expect(await proves(claimOf('a', 5, 7))).toEqual([false]);
        await write(9, stored(claimOf('a', 7, 9)));
        expect(await proves(claimOf('a', 7, 9))).toEqual([true]);
      });

      it('is proved though changes of other keys and other partitions were refused, or older ones of its own', async () => {
        const elsewhere = { ...refusedOf('a', 6), partition: 4 };
        await write(7, { ...stored(claimOf('a', 5, 7)), refused: [refusedOf('b', 6), elsewhere, refusedOf('a', 4)] });
        expect(await proves(claimOf('a', 5, 7))).toEqual([true]);
      });

      it('is not proved while a change that nobody could read may be replayed', async () => {
        const [applied, discarded] = [refusedOf('a', null), refusedOf('a', null)];
        const lease = await ledger.acquire(ref, 'config-a');
        await ledger.settle(lease, 7, { forwarded: 0, stopped: { 'dead-lettered': 2 }, refused: [applied, discarded] });
        await write(7, stored(claimOf('a', 5, 7)));
        expect(await proves(claimOf('a', 5, 7), claimOf('b', 5, 7))).toEqual([false, false]);
        await harness.letter(applied.letterId, 'applied');
        await harness.letter(discarded.letterId, 'parked');
        expect(await proves(claimOf('a', 5, 7))).toEqual([false]);
        await harness.letter(discarded.letterId, 'discarded');
        expect(await proves(claimOf('a', 5, 7))).toEqual([true]);
      });

      it('is judged by what is known of a refused change, however often it is refused', async () => {
        const unread = refusedOf('a', null);
        const read = { ...unread, position: positionAt(4) };
        const lease = await ledger.acquire(ref, 'config-a');
        const settled = await ledger.settle(lease, 6, { forwarded: 0, stopped: {}, refused: [unread, unread] });
        await write(7, stored(claimOf('a', 5, 7)));
        expect(await proves(claimOf('a', 5, 7))).toEqual([false]);
        await ledger.settle(settled!, 7, { forwarded: 0, stopped: {}, refused: [read, unread] });
        expect(await proves(claimOf('a', 5, 7))).toEqual([true]);
      });

      it('does not hear of what an owner refused that had lost the partition', async () => {
        const lost = await ledger.acquire(ref, 'config-a');
        await ledger.acquire(ref, 'config-a');
        await write(7, stored(claimOf('a', 5, 7)));
        expect(await ledger.settle(lost, 7, { forwarded: 0, stopped: {}, refused: [refusedOf('a', 6)] })).toBeNull();
        expect(await proves(claimOf('a', 5, 7))).toEqual([true]);
      });
    });
  });
}
