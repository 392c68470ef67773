import { expect, test } from 'vitest';
import { ConflictWorld, policyOf } from '../../tests/conflict-world.ts';

function worldOf(rules: unknown, sources: readonly string[]): ConflictWorld {
  const world = new ConflictWorld(policyOf(rules));
  for (const source of sources) world.change(source, { title: 'Cup' }, { operation: 'snapshot', atMs: 1 });
  return world;
}

test('a copy that is told before we hear that it was written does not outlive the deletion of its original', () => {
  const world = worldOf({}, ['ERP']);
  const write = world.writeBack('SHOP');
  world.change('SHOP', { title: 'Cup' }, { operation: 'create' });
  world.acknowledge(write);
  world.change('ERP', null);
  expect(world.golden).toBeNull();
  expect(world.conflicts).toEqual([]);
});

test('an update of ours that is told before we hear that it was written is no update against a deletion', () => {
  const world = worldOf({}, ['ERP', 'SHOP']);
  world.change('ERP', { title: 'Mug' });
  const write = world.writeBack('SHOP');
  world.change('SHOP', { title: 'Mug' });
  world.acknowledge(write);
  world.change('ERP', null);
  expect(world.golden).toBeNull();
  expect(world.conflicts).toEqual([]);
});

test('so are two of them, one behind the other, and a deed from before them still counts', () => {
  const world = worldOf({ ranking: ['erp', 'shop'] }, ['ERP', 'SHOP']);
  world.change('SHOP', { title: 'Jug' });
  world.acknowledge(world.writeBack('ERP'));
  world.change('ERP', { title: 'Mug' });
  const first = world.writeBack('SHOP');
  world.change('SHOP', { title: 'Mug' });
  world.change('ERP', { title: 'Bowl' });
  const second = world.writeBack('SHOP');
  world.change('SHOP', { title: 'Bowl' });
  world.acknowledge(first);
  world.acknowledge(second);
  world.change('ERP', null);
  expect(world.golden).toBeNull();
  expect(world.conflicts).not.toContainEqual(expect.objectContaining({ conflictType: 'update-delete' }));
  expect(world.row('SHOP')!.voice!.last?.[0]).toBe(2);
});

test('what the system did beside our write in the same breath is its own', () => {
  const world = worldOf({}, ['ERP', 'SHOP']);
  world.change('ERP', { title: 'Mug' });
  const write = world.writeBack('SHOP');
  world.change('SHOP', { title: 'Mug', price: 7 });
  world.acknowledge(write);
  world.change('ERP', null);
  expect(world.golden).toEqual({ title: 'Mug', price: 7 });
  expect(world.conflicts).toMatchObject([{ conflictType: 'update-delete' }]);
});

test('a deletion of ours that is told before we hear that it was made stands in the way of no new life', () => {
  const world = worldOf({ deleteConflict: 'priority', ranking: ['shop', 'erp'] }, ['ERP', 'SHOP', 'WOO']);
  world.change('ERP', null);
  const [shop, woo] = [world.writeBack('SHOP'), world.writeBack('WOO')];
  world.change('SHOP', null);
  world.acknowledge(shop, null);
  world.acknowledge(woo, null);
  world.change('WOO', { title: 'Mug' }, { operation: 'create' });
  expect(world.golden).toEqual({ title: 'Mug' });
  expect(world.conflicts).toEqual([]);
});

test('a count that only our own write brought back, told before we hear of it, has no deed behind it and is a count', () => {
  const world = worldOf({ ranking: ['shop', 'erp'], fields: { stock: { merge: 'counter' } } }, []);
  world.change('ERP', { title: 'Cup', stock: 5 }, { operation: 'create' });
  world.change('SHOP', null);
  world.change('SHOP', null);
  const write = world.writeBack('SHOP');
  world.change('SHOP', { title: 'Cup', stock: 5 }, { operation: 'create' });
  world.acknowledge(write);
  expect(world.golden).toEqual({ title: 'Cup', stock: 5 });
});
