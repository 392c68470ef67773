import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checksumOf } from '../canonical/canonical.ts';
import type { EntityId } from '../change-event.ts';
import { comparisonSchema } from '../comparison/comparison.ts';
import { type ComparedRow, type Difference, differenceChanges, differenceOf } from './difference.ts';
import { compileDifferencePairs } from './difference-pair.ts';

const source = (type: string) => ({ type, entities: { products: {} } });
const sources = { a: source('A'), b: source('B'), c: source('C') };
const rules = fc.constantFrom(
  undefined,
  comparisonSchema.parse({ ignore: ['y'] }),
  comparisonSchema.parse({ fields: ['x'], numbers: { x: 1 }, nullEqualsAbsent: true }),
);
const value = fc.constantFrom(null, 0, 1, 2, 'text');
const data = fc.dictionary(fc.constantFrom('x', 'y', 'z'), value, { noNullPrototype: true });
const step = fc.record({
  sourceType: fc.constantFrom('A', 'B', 'C', 'GOLDEN'),
  /** null: deleted, but still known; undefined: no row any more. */
  data: fc.oneof({ weight: 5, arbitrary: data }, fc.constant(null), fc.constant(undefined)),
});
const entityId = 'products:1' as EntityId;

function rowOf({
  sourceType,
  data: record,
}: {
  sourceType: string;
  data: ReturnType<typeof data.generate>['value'] | null;
}): ComparedRow {
  const checksum = record === null ? null : checksumOf(record);
  return { entityId, sourceType, deleted: record === null, data: record, checksum };
}

/** As the table is keyed. */
function tableOf(differences: readonly Difference[]): Map<string, Difference> {
  return new Map(differences.map((difference) => [`${difference.leftSource} ${difference.rightSource}`, difference]));
}

test('changes applied one after another end where comparing everything at the end does, and write nothing twice', () => {
  fc.assert(
    fc.property(rules, fc.array(step, { maxLength: 20 }), (compare, steps) => {
      const pairs =
        compileDifferencePairs({
          sources,
          differences: [
            { left: 'a', right: 'b', compare },
            { left: 'c', right: 'a' },
          ],
        }).get('products') ?? [];
      const table = tableOf([]);
      let rows: readonly ComparedRow[] = [];
      for (const { sourceType, data: record } of steps) {
        const others = rows.filter((row) => row.sourceType !== sourceType);
        const after = record === undefined ? others : [...others, rowOf({ sourceType, data: record })];
        const { upserts, removals } = differenceChanges(pairs, rows, after);
        for (const upsert of upserts) {
          const key = `${upsert.leftSource} ${upsert.rightSource}`;
          expect(table.get(key)).not.toEqual(upsert);
          table.set(key, upsert);
        }
        for (const removal of removals) expect(table.delete(`${removal.leftSource} ${removal.rightSource}`)).toBe(true);
        rows = after;
      }
      const sideOf = (sourceType: string) => rows.find((row) => row.sourceType === sourceType);
      const fromScratch = pairs.map((pair) => differenceOf(pair, sideOf(pair.leftSource), sideOf(pair.rightSource)));
      expect(table).toEqual(tableOf(fromScratch.filter((difference) => difference !== null)));
    }),
    { numRuns: 1_000 },
  );
});

test('a comparison says the same from both sides', () => {
  fc.assert(
    fc.property(rules, data, data, (compare, one, other) => {
      const pairOf = (left: string, right: string) =>
        compileDifferencePairs({ sources, differences: [{ left, right, compare }] }).get('products')![0]!;
      const [a, b] = [rowOf({ sourceType: 'A', data: one }), rowOf({ sourceType: 'B', data: other })];
      const forth = differenceOf(pairOf('a', 'b'), a, b);
      const back = differenceOf(pairOf('b', 'a'), b, a);
      expect(Object.keys(forth?.fields ?? {})).toEqual(Object.keys(back?.fields ?? {}));
    }),
  );
});
