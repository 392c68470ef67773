import { expect, test } from 'vitest';
import { departureOf } from './departure.ts';

const [from, into] = ['product:B', 'product:A'];
const turn = (reason: string, by: string | null, entityId = into) => ({ reason, previous: from, entityId, by });

test.each([
  ['merge', 'ann', 'merged into product:A by ann'],
  ['link', 'ann', 'its last record was linked to product:A by ann'],
  ['split', 'ann', 'its last record was split off to product:A by ann'],
  ['match-key', null, 'its last record moved to product:A, which its match key found'],
])('what became of an entity is told by what moved its last record: %s', (reason, by, said) => {
  const earlier = turn(reason === 'merge' ? 'link' : 'merge', 'bob');
  const elsewhere = { ...turn('link', 'eve'), previous: 'product:C' };
  expect(departureOf({ entityId: from, mergedInto: into, history: [elsewhere, turn(reason, by), earlier] })).toBe(said);
});

test('a merge that has moved nothing yet is one, whatever left before', () => {
  expect(departureOf({ entityId: from, mergedInto: into, history: [turn('link', 'ann', 'product:D')] })).toBe(
    'merged into product:A',
  );
  expect(departureOf({ entityId: from, mergedInto: null, history: [turn('link', 'ann')] })).toBeNull();
});
