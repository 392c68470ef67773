import { expect, test } from 'vitest';
import { ConflictWorld, policyOf } from '../../tests/conflict-world.ts';

function worldOf(rules: unknown, sources = ['ERP', 'SHOP']): ConflictWorld {
  const world = new ConflictWorld(policyOf(rules));
  for (const source of sources) world.change(source, { title: 'Cup' }, { operation: 'snapshot', atMs: 1 });
  return world;
}

test('an update of a record that nobody knows creates it', () => {
  const world = worldOf({}, []);
  world.change('ERP', { title: 'Cup' }, { operation: 'update' });
  expect(world.golden).toEqual({ title: 'Cup' });
});

test('the deletion of a record that nobody knows is nothing', () => {
  const world = worldOf({}, ['SHOP']);
  world.change('ERP', null);
  expect(world.golden).toEqual({ title: 'Cup' });
  expect(world.conflicts).toEqual([]);
});

test('a deletion also deletes what another source was only found with, whichever comes first', () => {
  const world = worldOf({}, ['ERP']);
  world.change('ERP', null, { atMs: 5 });
  expect(world.golden).toBeNull();
  world.change('SHOP', { title: 'Cup' }, { operation: 'snapshot', atMs: 9 });
  expect(world.golden).toBeNull();
  expect(world.conflicts).toEqual([]);
});

test('a record that another source creates after a deletion is not swallowed by it', () => {
  const world = worldOf({}, ['ERP']);
  world.change('ERP', null, { atMs: 5 });
  world.change('SHOP', { title: 'Mug' }, { operation: 'create', atMs: 9 });
  expect(world.golden).toEqual({ title: 'Mug' });
  expect(world.conflicts).toMatchObject([{ conflictType: 'update-delete' }]);
});

test('a deletion by somebody who saw the update is no race', () => {
  const world = worldOf({});
  world.change('SHOP', { title: 'Mug' });
  world.acknowledge(world.writeBack('ERP'));
  world.change('ERP', null);
  expect(world.golden).toBeNull();
  expect(world.conflicts).toEqual([]);
});

test('a target that deletes our copy deletes the entity', () => {
  const world = worldOf({}, ['ERP']);
  world.acknowledge(world.writeBack('SHOP'));
  world.change('SHOP', null);
  expect(world.golden).toBeNull();
});

test('our own copy does not keep an entity alive', () => {
  for (const deletions of ['propagate', 'when_all_gone']) {
    const world = worldOf({ deletions }, ['ERP']);
    world.acknowledge(world.writeBack('SHOP'));
    world.change('ERP', null);
    expect(world.golden).toBeNull();
  }
});

test('a record created again begins a new life: nothing of the old one comes back', () => {
  const world = worldOf({});
  world.change('ERP', null);
  world.acknowledge(world.writeBack('SHOP'));
  world.change('ERP', { title: 'Bowl' }, { operation: 'create' });
  expect(world.golden).toEqual({ title: 'Bowl' });
  expect(world.conflicts).toEqual([]);
});

test('newest_wins and priority decide between update and deletion as between values', () => {
  const outcomes = [10, 30].map((atMs) => {
    const world = worldOf({ deleteConflict: 'newest_wins' });
    world.change('SHOP', { title: 'Mug' }, { atMs: 20 });
    world.change('ERP', null, { atMs });
    return world.golden;
  });
  expect(outcomes).toEqual([{ title: 'Mug' }, null]);
  const ranked = worldOf({ deleteConflict: 'priority', ranking: ['erp', 'shop'] });
  ranked.change('ERP', null);
  ranked.change('SHOP', { title: 'Mug' });
  expect(ranked.golden).toBeNull();
  expect(ranked.conflicts).toMatchObject([{ conflictType: 'update-delete', resolution: 'priority' }]);
});

test('a deletion that lost is logged once, however often the record changes afterwards', () => {
  const world = worldOf({});
  world.change('SHOP', { title: 'Mug' });
  world.change('ERP', null);
  for (const title of ['A', 'B', 'C']) world.change('SHOP', { title });
  expect(world.lines).toBe(1);
});

test('manual: the entity stays as it is until somebody answers', () => {
  const deletedAt = (deleted: boolean) => {
    const world = worldOf({ deleteConflict: 'manual' });
    world.change('SHOP', { title: 'Mug' });
    world.change('ERP', null);
    expect(world.golden).toEqual({ title: 'Mug' });
    const [conflict] = world.conflicts;
    expect(conflict).toMatchObject({ status: 'open', resolution: 'manual', fields: ['deleted'] });
    world.answer({ conflictId: conflict!.conflictId, decidedAt: new Date(60_000).toISOString(), fields: { deleted } });
    expect(world.conflicts).toMatchObject([{ status: 'resolved', resolution: 'operator' }]);
    return world;
  };
  expect(deletedAt(true).golden).toBeNull();
  const kept = deletedAt(false);
  expect(kept.golden).toEqual({ title: 'Mug' });
  kept.change('SHOP', { title: 'Jug' }, { atMs: 70_000 });
  expect(kept.golden).toEqual({ title: 'Jug' });
  expect(kept.conflicts).toHaveLength(1);
  kept.change('SHOP', null, { atMs: 90_000 });
  expect(kept.golden).toBeNull();
});

test('what a field was argued about ends with the entity', () => {
  const world = worldOf({ deletions: 'propagate', deleteConflict: 'delete_wins' });
  world.change('ERP', { title: 'A' });
  world.change('SHOP', { title: 'B' });
  world.change('SHOP', null);
  expect(world.conflicts.map(({ conflictType, status }) => `${conflictType} ${status}`).sort()).toEqual([
    'concurrent-update resolved',
    'update-delete resolved',
  ]);
});
