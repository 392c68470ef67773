import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SourceDesk, SourceStore, StreamLease, StreamProgress } from '../../core/ports/source-store.ts';

export interface SourceStoreHarness {
  readonly store: SourceStore;
  readonly desk: SourceDesk;
  /** Whoever held a lease has not been heard of for so long. */
  silence(ms: number): Promise<void>;
  close(): Promise<void>;
}

const ref = { source: 'erp', stream: 'products' };
const silentMs = 5_000;

function progress(more: Partial<StreamProgress> = {}): StreamProgress {
  return { mark: { at: 1 }, phase: 'changes', lagMs: null, changes: 1, put: [], remove: [], ...more };
}

export function describeSourceStore(name: string, open: () => Promise<SourceStoreHarness>): void {
  describe(`${name} as a source store`, () => {
    let harness: SourceStoreHarness;
    let store: SourceStore;

    beforeEach(async () => {
      harness = await open();
      store = harness.store;
    });
    afterEach(() => harness.close());

    async function acquire(owner: string): Promise<StreamLease> {
      const [lease] = await store.acquire([ref], owner, silentMs);
      expect(lease).toBeDefined();
      return lease!;
    }

    it('of two who want a stream one gets it, and the other when the first was silent', async () => {
      const both = await Promise.all([store.acquire([ref], 'a', silentMs), store.acquire([ref], 'b', silentMs)]);
      expect(both.flat()).toHaveLength(1);
      const [first] = both.flat();
      await harness.silence(silentMs + 1_000);
      const second = await acquire('c');
      expect(second.token).toBeGreaterThan(first!.token);
      expect(await store.advance(first!, progress())).toBeNull();
      expect(await store.renew([first!])).toEqual([]);
      expect(await store.renew([second])).toEqual([second]);
    });

    it('who tells that it lives keeps its lease', async () => {
      const lease = await acquire('a');
      await harness.silence(silentMs - 1_000);
      expect(await store.renew([lease])).toEqual([lease]);
      await harness.silence(silentMs - 1_000);
      expect(await store.acquire([ref], 'b', silentMs)).toEqual([]);
    });

    it('what was released is taken at once, and goes on at its mark', async () => {
      const lease = await acquire('a');
      expect(await store.advance(lease, progress({ mark: { at: 7, list: ['x'] } }))).toMatchObject({ mark: { at: 7 } });
      await store.release([lease]);
      expect(await acquire('b')).toMatchObject({ mark: { at: 7, list: ['x'] }, phase: 'changes', epoch: 1 });
    });

    it('notes are stored with the mark or not at all', async () => {
      const lease = await acquire('a');
      const note = (name: string, text: string) => ({ name, head: { n: text }, body: Buffer.from(text) });
      await store.advance(lease, progress({ put: [note('b', 'two'), note('a', 'one'), note('C', 'three')] }));
      const notes = store.notes(lease);
      const names = async () => (await notes.heads('', 10)).map(({ name, head }) => [name, head]);
      expect(await names()).toEqual([
        ['C', { n: 'three' }],
        ['a', { n: 'one' }],
        ['b', { n: 'two' }],
      ]);
      await harness.silence(silentMs + 1_000);
      await acquire('b');
      expect(await store.advance(lease, progress({ put: [note('z', 'zombie')], remove: ['a'] }))).toBeNull();
      expect(await names()).toHaveLength(3);
      const [owned] = await store.acquire([ref], 'b', silentMs);
      await store.advance(owned!, progress({ put: [note('b', 'new')], remove: ['C'] }));
      expect(await names()).toEqual([
        ['a', { n: 'one' }],
        ['b', { n: 'new' }],
      ]);
      expect(Buffer.from((await notes.body('b'))!).toString()).toBe('new');
      expect(await notes.body('C')).toBeNull();
      expect((await notes.heads('a', 1)).map(({ name }) => name)).toEqual(['b']);
    });

    it('a paused stream is taken from its owner and given to nobody until it is resumed', async () => {
      const lease = await acquire('a');
      expect(await harness.desk.pause(ref, 'ada')).toBe(true);
      expect(await store.advance(lease, progress())).toBeNull();
      expect(await store.acquire([ref], 'a', silentMs)).toEqual([]);
      expect(await harness.desk.streams()).toMatchObject([{ ...ref, state: 'paused', reason: 'paused by ada' }]);
      expect(await harness.desk.resume(ref)).toBe(true);
      const resumed = await acquire('b');
      expect(resumed).toMatchObject({ accepted: true });
      expect(resumed.token).toBeGreaterThan(lease.token);
      expect(await store.advance(resumed, progress())).toMatchObject({ accepted: false });
      await store.release([resumed]);
      expect(await acquire('b')).toMatchObject({ accepted: false });
    });

    it('a stream that is read anew begins without a mark in a higher epoch, and keeps its notes', async () => {
      const lease = await acquire('a');
      await store.advance(lease, progress({ put: [{ name: 'a', head: {}, body: Buffer.from('x') }] }));
      expect(await harness.desk.resync(ref)).toBe(true);
      expect(await store.advance(lease, progress())).toBeNull();
      const anew = await acquire('a');
      expect(anew).toMatchObject({ epoch: 2, mark: null, phase: 'snapshot' });
      expect(await store.notes(anew).heads('', 10)).toHaveLength(1);
      expect(await store.restart(anew)).toMatchObject({ epoch: 3, mark: null });
    });

    it('why a stream rests is kept until it goes on', async () => {
      const lease = await acquire('a');
      await store.fail(lease, 'source.unavailable', 'no answer', false);
      expect(await harness.desk.streams()).toMatchObject([
        { state: 'running', errorCode: 'source.unavailable', reason: 'no answer' },
      ]);
      expect(await store.advance(lease, progress({ changes: 5 }))).not.toBeNull();
      expect(await harness.desk.streams()).toMatchObject([{ errorCode: null, reason: null, changes: 5 }]);
      await store.fail(lease, 'source.schema-changed', 'new: x', true);
      expect(await harness.desk.streams()).toMatchObject([{ state: 'paused', reason: 'new: x', owner: null }]);
      expect(await harness.desk.pause({ ...ref, stream: 'nowhere' }, 'ada')).toBe(false);
    });

    it('a stream that fails again and again says since when', async () => {
      const lease = await acquire('a');
      const updatedAtMs = async () => (await harness.desk.streams())[0]!.updatedAtMs;
      await store.advance(lease, progress());
      const movedAtMs = await updatedAtMs();
      const later = async () => {
        await harness.silence(5);
        await sleep(5);
      };
      await later();
      await store.fail(lease, 'source.unavailable', 'no answer', false);
      const failedAtMs = await updatedAtMs();
      expect(failedAtMs).toBeGreaterThan(movedAtMs);
      await later();
      await store.fail(lease, 'source.unavailable', 'still no answer', false);
      expect(await updatedAtMs()).toBe(failedAtMs);
      await later();
      await store.fail(lease, 'source.schema-changed', 'new: x', true);
      expect(await updatedAtMs()).toBeGreaterThan(failedAtMs);
    });
  });
}
