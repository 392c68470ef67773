import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import type { StageLedger } from '../../core/ports/stage-ledger.ts';

/** Empty tables of the test's own. */
export interface StageLedgerHarness {
  readonly ledger: StageLedger;
  /** What was counted of the partition. */
  counts(ref: PartitionRef): Promise<{ forwarded: number; stopped: Readonly<Record<string, number>> }>;
  close(): Promise<void>;
}

const ref: PartitionRef = { topic: 'source.shop.product', partition: 3 };

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
  });
}
