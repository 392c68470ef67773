import { expect, test } from 'vitest';
import { ConflictWorld, policyOf } from '../../tests/conflict-world.ts';
import type { JsonObject } from '../json.ts';

const kinds: readonly JsonObject[] = [{ f: null }, {}, { f: 'x' }];

function worldOf(found: Readonly<Record<string, JsonObject>>, rules: JsonObject = {}): ConflictWorld {
  const world = new ConflictWorld(policyOf({ fields: { f: { merge: 'counter' } }, ...rules }));
  for (const [source, data] of Object.entries(found)) world.change(source, data, { operation: 'snapshot' });
  return world;
}

const both = { ERP: { f: 10 }, SHOP: { f: 10 } };

test.each(kinds)('what a source sold while it had %j for a count is counted when it counts again', (odd) => {
  const world = worldOf(both);
  world.change('SHOP', odd);
  expect(world.golden).toEqual({ f: 10 });
  world.change('ERP', { f: 9 });
  world.change('SHOP', { f: 8 });
  expect(world.golden).toEqual({ f: 7 });
});

test.each(['ERP', 'SHOP'])(
  'a text instead of a count at %s waits for a human and closes when there is a number again',
  (source) => {
    const world = worldOf(both);
    world.change(source, { f: 'x' });
    expect(world.golden).toEqual({ f: 10 });
    expect(world.conflicts).toMatchObject([{ conflictType: 'type-mismatch', status: 'open' }]);
    world.change(source, { f: 8 });
    expect(world.golden).toEqual({ f: 8 });
    expect(world.conflicts).toMatchObject([{ status: 'resolved', resolution: 'converged' }]);
  },
);

test.each(kinds)(
  'a count that we wrote over %j is no sale, whichever of its word and the target’s own news comes first',
  (odd) => {
    for (const [echoFirst, next, golden] of [
      [false, { f: 7 }, 7],
      [true, { f: 7 }, 7],
      [true, { f: 8 }, 8],
      [true, odd, 8],
    ] as const) {
      const world = worldOf(both);
      world.change('SHOP', odd);
      world.change('ERP', { f: 8 });
      const write = world.writeBack('SHOP');
      if (echoFirst) world.change('SHOP', { ...next, other: 1 });
      world.acknowledge(write);
      if (!echoFirst) world.change('SHOP', next);
      expect(world.golden?.f).toBe(golden);
      world.change('SHOP', { f: 5 });
      expect(world.golden?.f).toBe(5);
    }
  },
);

test.each(kinds)('a count that became %j between our write and its acknowledgement goes on from what we wrote', (odd) => {
  const world = worldOf(both);
  world.change('ERP', { f: 8 });
  const write = world.writeBack('SHOP');
  world.change('SHOP', odd);
  world.acknowledge(write);
  expect(world.golden).toEqual({ f: 8 });
  world.change('SHOP', { f: 7 });
  expect(world.golden).toEqual({ f: 7 });
});

test('a write that met a count we had not heard of, after none, counts what was sold in between', () => {
  const world = worldOf(both);
  world.change('SHOP', { f: null });
  world.change('ERP', { f: 8 });
  world.acknowledge({ ...world.writeBack('SHOP'), replaced: { f: 9 } }, { f: 7 });
  expect(world.golden).toEqual({ f: 7 });
});

test('a system that gives no number back after our write goes on from the last one it had', () => {
  const world = worldOf(both);
  world.acknowledge(world.writeBack('SHOP'), {});
  world.change('SHOP', { f: 9 });
  expect(world.golden).toEqual({ f: 9 });
});

test('a source that was found without a count begins with ours, whichever of our word and its own comes first', () => {
  for (const echoFirst of [false, true]) {
    const world = worldOf({ ERP: { f: 9 }, SHOP: { f: null } });
    const write = world.writeBack('SHOP');
    if (echoFirst) world.change('SHOP', { f: 8 });
    world.acknowledge(write);
    if (!echoFirst) world.change('SHOP', { f: 8 });
    expect(world.golden).toEqual({ f: 8 });
  }
});

test('what a source counted stays counted when it loses the field and then the record', () => {
  const world = worldOf(both, { deletions: 'when_all_gone' });
  world.change('SHOP', { f: 7 });
  world.change('SHOP', {});
  world.change('SHOP', null);
  expect(world.golden).toEqual({ f: 7 });
});

test('a text that we wrote a number over goes on waiting for its answer, whichever source is the base', () => {
  for (const [odd, other] of [
    ['ERP', 'SHOP'],
    ['SHOP', 'ERP'],
  ] as const) {
    const world = worldOf(both);
    world.change(odd, { f: 'x' });
    world.change(other, { f: 9 });
    world.change('WOO', { f: 10 }, { operation: 'snapshot' });
    for (const source of ['WOO', other, odd]) world.acknowledge(world.writeBack(source));
    expect(world.conflicts.filter(({ status }) => status === 'open')).toMatchObject([{ conflictType: 'type-mismatch' }]);
    world.change('WOO', { f: 8 });
    world.change(other, { f: 8 });
    expect(world.golden).toEqual({ f: 7 });
  }
});

test('the row of a system that is never written to stays small however often its count comes and goes', () => {
  const world = worldOf(both);
  for (let i = 0; i < 50; i++) {
    world.change('SHOP', { f: null });
    world.change('SHOP', { f: 9 - i });
  }
  expect(world.golden).toEqual({ f: -40 });
  expect(JSON.stringify(world.row('SHOP')!.voice!.counters).length).toBeLessThan(300);
});

test('an answer about a text instead of a count is not asked for again', () => {
  const world = worldOf(both);
  world.change('SHOP', { f: 'x' });
  const { conflictId } = world.conflicts[0]!;
  world.answer({ conflictId, decidedAt: new Date(60_000).toISOString(), fields: { f: 50 } });
  world.change('ERP', { f: 9 }, { atMs: 61_000 });
  expect(world.conflicts).toMatchObject([{ status: 'resolved' }]);
  world.change('SHOP', { f: 8 }, { atMs: 62_000 });
  expect(world.golden).toEqual({ f: 47 });
});

test('a record created anew without a count has the first one that it gets', () => {
  const world = worldOf({ ERP: { f: 10 } });
  for (const data of [{ f: 8 }, null, {}, { f: 5 }]) world.change('ERP', data);
  world.change('SHOP', { f: null });
  expect(world.golden).toEqual({ f: 5 });
  world.change('ERP', { f: 4 });
  world.change('SHOP', { f: 4 });
  world.change('SHOP', { f: 3 });
  expect(world.golden).toEqual({ f: 3 });
});
