import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rankBetween } from './rank.ts';

test('there is always room between two neighbours, at the beginning and at the end', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { maxLength: 200 }), (places) => {
      const ranks: string[] = [];
      for (const place of places) {
        const at = Math.floor(place * (ranks.length + 1));
        const rank = rankBetween(ranks[at - 1] ?? '', ranks[at] ?? null);
        ranks.splice(at, 0, rank);
      }
      expect(ranks).toEqual([...ranks].sort((left, right) => (left < right ? -1 : 1)));
      expect(new Set(ranks).size).toBe(ranks.length);
      for (const rank of ranks) expect(rank).toMatch(/^[\dA-Za-z]*[1-9A-Za-z]$/);
    }),
  );
});

test('ranks stay short where all is put at the end, and bearable where all is put at one place', () => {
  let last = '';
  for (let added = 0; added < 100_000; added++) last = rankBetween(last, null);
  expect(last.length).toBe(9);
  let first: string | null = null;
  for (let added = 0; added < 1_000; added++) first = rankBetween('', first);
  expect(first!.length).toBeLessThan(250);
});
