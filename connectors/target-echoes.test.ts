import { expect, test } from 'vitest';
import { capitals, kind, TargetWorld } from '../tests/target-world.ts';

test('its own change log tells of our write before the acknowledgement does', async () => {
  const world = new TargetWorld({ crm: 'is-read' });
  world.says('SHOP', 'A', { name: 'Chair', stock: 1 });
  await world.deliver();
  world.hearCrm();
  world.hearAcknowledgements();
  await world.settle();
  expect(world.golden('A')).toMatchObject({ version: 1, data: { name: 'Chair', stock: 1 } });
  expect(world.target.at(kind, 'A')).toMatchObject({ label: 'Chair', stock: 1 });
  world.says('SHOP', 'A', { name: 'Armchair', stock: 1 });
  await world.settle();
  expect(world.target.at(kind, 'A')).toMatchObject({ label: 'Armchair' });
});

test('its word of a write that another has followed is no deed of its own, and one that looks like it is looked at', async () => {
  const world = new TargetWorld({ crm: 'is-polled', rules: { default: 'priority', ranking: ['crm', 'shop'] } });
  for (const name of ['X', 'Y', 'Z']) {
    world.says('SHOP', 'A', { name, stock: 1 });
    await world.deliver();
    world.hearAcknowledgements();
  }
  world.says('CRM', 'A', { name: 'X', stock: 1 });
  expect(world.own('A')).toMatchObject({ data: { name: 'Z', stock: 1 }, voice: { turn: 0 } });
  await world.deliver();
  expect(world.messages('raw')).toEqual([]);
  expect(world.rows.echoes.filter(({ doubted }) => doubted)).toEqual([]);
  world.crmPuts('A', { label: 'Y', stock: 1 });
  await world.settle();
  expect(world.golden('A')?.data).toEqual({ name: 'Y', stock: 1 });
  expect(world.own('A')).toMatchObject({ data: { name: 'Y', stock: 1 }, voice: { turn: 1 } });
  expect(world.target.at(kind, 'A')).toMatchObject({ label: 'Y' });
  expect(world.rows.echoes.filter(({ doubted }) => doubted)).toEqual([]);
});

test('a system that makes the same of our write again goes on counting', async () => {
  const rules = { ranking: ['shop', 'crm'], fields: { stock: { merge: 'counter' as const } }, default: 'priority' as const };
  const world = new TargetWorld({ crm: 'is-read', habits: capitals, rules });
  world.crmPuts('A', { label: 'FOO', stock: 10 });
  world.says('CRM', 'A', { name: 'FOO', stock: 10 });
  world.says('SHOP', 'A', { name: 'Foo', stock: 10 });
  await world.settle();
  expect(world.target.at(kind, 'A')).toMatchObject({ label: 'FOO', stock: 10 });
  world.crmPuts('A', { label: 'FOO', stock: 7 });
  await world.settle();
  expect(world.golden('A')?.data).toEqual({ name: 'Foo', stock: 7 });
  expect(world.messages('raw'), 'it was told, not found').toEqual([]);
});
