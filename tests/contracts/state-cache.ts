import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CacheTicket, CacheWrite, StateCache } from '../../core/ports/state-cache.ts';
import { positionOf } from '../../core/position.ts';

/** One server of the test's own. */
export interface StateCacheHarness {
  readonly cache: StateCache;
  flush(): Promise<void>;
  /** The server comes back with what it had. */
  restart(): Promise<void>;
  /** The returned function makes the server come back with what it had when it was made. */
  snapshot(): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

const topic = 'source.shop.product';

function ticket(token: number, era = 'era-a', partition = 0): CacheTicket {
  return { topic, partition, token, era };
}

function entry(key: string, fingerprint: string, offset: number, settled = true): CacheWrite {
  return {
    key,
    fingerprint,
    offset,
    position: positionOf(0, String(offset)),
    settled,
    digest: fingerprint === '' ? '' : `digest-of-${fingerprint.replaceAll(' ', '-')}`,
  };
}

function stored({ key: _, ...entry }: CacheWrite) {
  return entry;
}

export function describeStateCache(name: string, open: () => Promise<StateCacheHarness>): void {
  describe(`${name} as a state cache`, () => {
    let harness: StateCacheHarness;
    let cache: StateCache;

    beforeEach(async () => {
      harness = await open();
      cache = harness.cache;
    });
    afterEach(() => harness.close());

    it('an empty server is not the one the last owner left', async () => {
      expect(await cache.take(ticket(1), 0)).toBe(false);
    });

    it('an era that was begun just now needs nothing to stand there', async () => {
      expect(await cache.take(ticket(1), null)).toBe(true);
      expect(await cache.read(ticket(1), ['a'])).toEqual({ trusted: true, entries: [null] });
    });

    it('who was refused the mark leaves no trace by which its successor would trust the server', async () => {
      await cache.take(ticket(1), null);
      await harness.flush();
      expect(await cache.take(ticket(2), 1)).toBe(false);
      expect(await cache.take(ticket(3), 2)).toBe(false);
      expect(await cache.read(ticket(2), ['a'])).toEqual({ trusted: false, entries: [] });
    });

    it('entries are read as they were written, in the order of the keys, null where nothing stands', async () => {
      await cache.take(ticket(1), null);
      const written = [entry('a', 'f a', 3), entry('b', '', 4, false), entry('c{x}: é', 'f c', 5)];
      expect(await cache.write(ticket(1), written)).toBe(true);
      const read = await cache.read(ticket(1), ['c{x}: é', 'nothing', 'a', 'b']);
      expect(read).toEqual({ trusted: true, entries: [stored(written[2]!), null, stored(written[0]!), stored(written[1]!)] });
    });

    it('the last write of a key stands', async () => {
      await cache.take(ticket(1), null);
      await cache.write(ticket(1), [entry('a', 'first', 3)]);
      await cache.write(ticket(1), [entry('a', 'second', 9)]);
      expect(await cache.read(ticket(1), ['a'])).toEqual({ trusted: true, entries: [stored(entry('a', 'second', 9))] });
    });

    it('ten thousand entries are written and read at once', async () => {
      await cache.take(ticket(1), null);
      const entries = Array.from({ length: 10_000 }, (_, i) => entry(`k${i}`, `f${i}`, i));
      expect(await cache.write(ticket(1), entries)).toBe(true);
      const read = await cache.read(
        ticket(1),
        entries.map(({ key }) => key),
      );
      expect(read.entries.map((found) => found?.fingerprint)).toEqual(entries.map(({ fingerprint }) => fingerprint));
    });

    it('a successor finds the mark of the owner before it and may trust its entries', async () => {
      await cache.take(ticket(1), null);
      await cache.write(ticket(1), [entry('a', 'f', 3)]);
      expect(await cache.take(ticket(2), 1)).toBe(true);
      expect(await cache.read(ticket(2), ['a'])).toEqual({ trusted: true, entries: [stored(entry('a', 'f', 3))] });
    });

    it('a mark of anyone but the expected owner gives no trust', async () => {
      await cache.take(ticket(1), null);
      expect(await cache.take(ticket(3), 1)).toBe(true);
      expect(await cache.take(ticket(4), 2)).toBe(false);
      expect((await cache.read(ticket(3), ['a'])).trusted).toBe(true);
    });

    it('a mark of another era gives no trust', async () => {
      await cache.take(ticket(1, 'era-a'), null);
      expect(await cache.take(ticket(2, 'era-b'), 1)).toBe(false);
    });

    it('who was succeeded reads nothing and writes nothing', async () => {
      await cache.take(ticket(1), null);
      await cache.write(ticket(1), [entry('a', 'old', 3)]);
      await cache.take(ticket(2), 1);
      expect(await cache.read(ticket(1), ['a'])).toEqual({ trusted: false, entries: [] });
      expect(await cache.write(ticket(1), [entry('a', 'zombie', 4)])).toBe(false);
      expect(await cache.read(ticket(2), ['a'])).toEqual({ trusted: true, entries: [stored(entry('a', 'old', 3))] });
    });

    it('who was succeeded cannot take the mark back', async () => {
      await cache.take(ticket(2), null);
      await cache.write(ticket(2), [entry('a', 'f', 3)]);
      expect(await cache.take(ticket(1), null)).toBe(false);
      expect(await cache.take(ticket(1), 0)).toBe(false);
      expect((await cache.read(ticket(2), ['a'])).trusted).toBe(true);
      expect((await cache.read(ticket(1), ['a'])).trusted).toBe(false);
    });

    it('a new era of the same owner begins without entries, and the old era stays closed', async () => {
      await cache.take(ticket(1, 'era-a'), null);
      await cache.write(ticket(1, 'era-a'), [entry('a', 'f', 3)]);
      expect(await cache.take(ticket(1, 'era-b'), null)).toBe(true);
      expect(await cache.read(ticket(1, 'era-b'), ['a'])).toEqual({ trusted: true, entries: [null] });
      expect(await cache.write(ticket(1, 'era-a'), [entry('a', 'late', 4)])).toBe(false);
      expect(await cache.read(ticket(1, 'era-b'), ['a'])).toEqual({ trusted: true, entries: [null] });
    });

    it('partitions know nothing of each other', async () => {
      await cache.take(ticket(5, 'era-a', 0), null);
      await cache.take(ticket(1, 'era-a', 1), null);
      await cache.write(ticket(5, 'era-a', 0), [entry('a', 'zero', 3)]);
      await cache.write(ticket(1, 'era-a', 1), [entry('a', 'one', 4)]);
      expect(await cache.read(ticket(5, 'era-a', 0), ['a'])).toEqual({ trusted: true, entries: [stored(entry('a', 'zero', 3))] });
      expect(await cache.take(ticket(2, 'era-a', 1), 1)).toBe(true);
    });

    it('a flush ends trust until the mark is taken again', async () => {
      await cache.take(ticket(1), null);
      await cache.write(ticket(1), [entry('a', 'f', 3)]);
      await harness.flush();
      expect(await cache.read(ticket(1), ['a'])).toEqual({ trusted: false, entries: [] });
      expect(await cache.write(ticket(1), [entry('a', 'f', 3)])).toBe(false);
      expect(await cache.take(ticket(2), 1)).toBe(false);
      expect(await cache.take(ticket(2, 'era-b'), null)).toBe(true);
      expect(await cache.read(ticket(2, 'era-b'), ['a'])).toEqual({ trusted: true, entries: [null] });
    });

    it('a restart ends trust, whatever the server still holds', async () => {
      await cache.take(ticket(1), null);
      await cache.write(ticket(1), [entry('a', 'f', 3)]);
      await harness.restart();
      expect(await cache.read(ticket(1), ['a'])).toEqual({ trusted: false, entries: [] });
      expect(await cache.write(ticket(1), [entry('b', 'f', 4)])).toBe(false);
      expect(await cache.take(ticket(2), 1)).toBe(false);
    });

    it('a server that went back in time is not trusted, although the mark stands on it', async () => {
      await cache.take(ticket(1), null);
      await cache.write(ticket(1), [entry('a', 'old', 3)]);
      const goBack = await harness.snapshot();
      await cache.write(ticket(1), [entry('a', 'new', 5)]);
      await goBack();
      expect(await cache.read(ticket(1), ['a'])).toEqual({ trusted: false, entries: [] });
      expect(await cache.take(ticket(2), 1)).toBe(false);
      expect(await cache.write(ticket(1), [entry('a', 'late', 6)])).toBe(false);
    });
  });
}
