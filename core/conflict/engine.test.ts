import { expect, test } from 'vitest';
import { ConflictWorld, policyOf } from '../../tests/conflict-world.ts';
import type { JsonObject } from '../json.ts';
import { type ConflictView, resolve } from './engine.ts';

const manual = policyOf({});
const priority = policyOf({ ranking: ['erp', 'shop'] });
const newest = policyOf({ default: 'newest_wins' });

function worldWith(policy: typeof manual, data: JsonObject, sources = ['ERP', 'SHOP']): ConflictWorld {
  const world = new ConflictWorld(policy);
  for (const source of sources) world.change(source, data, { operation: 'snapshot', atMs: 1 });
  return world;
}

function onlyConflict(world: ConflictWorld) {
  expect(world.conflicts).toHaveLength(1);
  return world.conflicts[0]!;
}

test('changes of different fields merge by themselves', () => {
  const world = worldWith(manual, { title: 'Cup', price: 5 });
  world.change('ERP', { title: 'Cup', price: 6 });
  world.change('SHOP', { title: 'Mug', price: 5 });
  expect(world.golden).toEqual({ title: 'Mug', price: 6 });
  expect(world.conflicts).toEqual([]);
});

test('a source brings the fields that only it has, and takes them away again', () => {
  const world = new ConflictWorld(manual);
  world.change('ERP', { cost: 3 });
  world.change('SHOP', { title: 'Cup' });
  expect(world.golden).toEqual({ cost: 3, title: 'Cup' });
  world.change('SHOP', {});
  expect(world.golden).toEqual({ cost: 3 });
});

test('a change beats what others were only found with, whatever their rank', () => {
  const world = worldWith(priority, { price: 5 });
  world.change('SHOP', { price: 6 });
  expect(world.golden).toEqual({ price: 6 });
  expect(world.conflicts).toEqual([]);
});

test('sources found with different values are a conflict that the policy decides and the log tells', () => {
  const world = new ConflictWorld(priority);
  world.change('SHOP', { price: 6, title: 'Cup' });
  world.change('ERP', { price: 5, title: 'Cup' });
  expect(world.golden).toEqual({ price: 5, title: 'Cup' });
  expect(onlyConflict(world)).toMatchObject({
    conflictType: 'create-create',
    status: 'resolved',
    resolution: 'priority',
    fields: ['price'],
    details: { fields: { price: { holder: 'ERP', value: 5, status: 'decided' } } },
  });
});

test('a conflict row carries the base, both sides, the rule and the outcome', () => {
  const world = worldWith(priority, { price: 5 });
  world.change('ERP', { price: 6 }, { atMs: 10, eventId: 'e' });
  world.change('SHOP', { price: 7 }, { atMs: 20, eventId: 's' });
  expect(onlyConflict(world)).toMatchObject({
    conflictType: 'concurrent-update',
    sourceType: 'SHOP',
    details: {
      fields: {
        price: {
          status: 'decided',
          rule: 'priority',
          base: 5,
          holder: 'ERP',
          value: 6,
          sides: [
            { source: 'ERP', eventId: 'e', atMs: 10, value: 6 },
            { source: 'SHOP', eventId: 's', atMs: 20, value: 7 },
          ],
        },
      },
    },
  });
});

test('a change made after seeing the other one wins whatever the policy and the clocks', () => {
  const world = worldWith(priority, { price: 5 });
  world.change('ERP', { price: 6 }, { atMs: 9_000 });
  world.acknowledge(world.writeBack('SHOP'));
  world.change('SHOP', { price: 7 }, { atMs: 10 });
  expect(world.golden).toEqual({ price: 7 });
  expect(world.conflicts).toEqual([]);
});

test('a change made without knowing the latest of the other is a conflict even if an earlier one was seen', () => {
  const world = worldWith(priority, { price: 5 });
  world.change('ERP', { price: 6 });
  world.acknowledge(world.writeBack('SHOP'));
  world.change('SHOP', { price: 7 });
  world.change('ERP', { price: 8 });
  expect(world.golden).toEqual({ price: 8 });
  expect(onlyConflict(world)).toMatchObject({ conflictType: 'concurrent-update', fields: ['price'] });
});

test('the same change on both sides is no conflict', () => {
  const world = worldWith(manual, { price: 5 });
  world.change('ERP', { price: 6 });
  world.change('SHOP', { price: 6 });
  expect(world.golden).toEqual({ price: 6 });
  expect(world.conflicts).toEqual([]);
});

test('newest_wins: of changes that do not know of each other the later source time wins, whatever came last', () => {
  const world = worldWith(newest, { price: 5 });
  world.change('ERP', { price: 6 }, { atMs: 2_000 });
  const late = world.change('SHOP', { price: 7 }, { atMs: 1_000 });
  expect(world.golden).toEqual({ price: 6 });
  expect(late).toMatchObject({ differs: true, golden: { moved: false } });
});

test('newest_wins: equal times go to the source that comes first by name', () => {
  for (const order of [
    ['ERP', 'SHOP'],
    ['SHOP', 'ERP'],
  ]) {
    const world = worldWith(newest, { price: 5 });
    for (const source of order) world.change(source, { price: source === 'ERP' ? 6 : 7 }, { atMs: 1_000 });
    expect(world.golden).toEqual({ price: 6 });
  }
});

test('a losing change is logged once, however often the winner changes afterwards', () => {
  const world = worldWith(priority, { price: 5 });
  world.change('SHOP', { price: 7 });
  for (const price of [8, 9, 10]) world.change('ERP', { price });
  expect(world.golden).toEqual({ price: 10 });
  expect(world.lines).toBe(1);
  world.change('SHOP', { price: 11 });
  expect(world.lines).toBe(2);
});

test('fields called like what every object inherits are fields like others', () => {
  const world = worldWith(priority, { constructor: 1, toString: 'a' } as unknown as JsonObject);
  world.change('SHOP', { constructor: 2, toString: 'a', valueOf: 3 } as unknown as JsonObject);
  expect(world.golden).toEqual({ constructor: 2, toString: 'a', valueOf: 3 });
});

test('a row that was written while its source was alone speaks as its version says', () => {
  const world = worldWith(priority, { price: 5 }, ['SHOP']);
  const [shop] = world.view.rows;
  const eventId = '0000000003e8-8000-8000-000000000000';
  for (const [version, price] of [
    [1, 9],
    [2, 5],
  ] as const) {
    const other = new ConflictWorld(priority);
    const rows = [{ ...shop!, version, voice: null, eventId: eventId as never }];
    const golden = { ...world.view.golden! };
    const resolution = resolveOn(other, { golden, rows }, { price: 9 });
    expect(resolution.golden.data).toEqual({ price });
  }
});

function resolveOn(world: ConflictWorld, view: ConflictView, data: JsonObject) {
  return resolve(priority, view, world.record('ERP', data, { operation: 'snapshot' }));
}

test('golden made anew by another policy is what that policy says', () => {
  const world = worldWith(newest, { price: 5, title: 'Cup' });
  world.change('ERP', { price: 6, title: 'Cup' });
  world.change('SHOP', { price: 7, title: 'Cup' });
  expect(world.golden).toMatchObject({ price: 7 });
  const change = world.record('SHOP', { price: 7, title: 'Mug' });
  expect(resolve(priority, world.view, change).golden.data).toEqual({ price: 6, title: 'Mug' });
});

// Open conflicts

function openWorld() {
  const world = worldWith(manual, { price: 5 });
  world.change('ERP', { price: 6 });
  world.change('SHOP', { price: 7 });
  return world;
}

function sidesOf(world: ConflictWorld) {
  const field = (onlyConflict(world).details.fields as JsonObject).price as JsonObject;
  return (field.sides as JsonObject[]).map((side) => [side.source, side.value]);
}

test('manual: golden keeps what it has and the conflict waits with both sides', () => {
  const world = openWorld();
  expect(world.golden).toEqual({ price: 6 });
  expect(onlyConflict(world)).toMatchObject({ status: 'open', resolution: 'manual', conflictType: 'concurrent-update' });
  expect(sidesOf(world)).toEqual([
    ['ERP', 6],
    ['SHOP', 7],
  ]);
});

test('manual: what was golden first stays, whichever source brought it', () => {
  const world = worldWith(manual, { price: 5 });
  world.change('SHOP', { price: 7 });
  world.change('ERP', { price: 6 });
  expect(world.golden).toEqual({ price: 7 });
});

test('a later change of either side while a conflict is open rebases it', () => {
  const world = openWorld();
  world.change('SHOP', { price: 8 });
  expect(world.golden).toEqual({ price: 6 });
  world.change('ERP', { price: 9 });
  expect(world.golden).toEqual({ price: 9 });
  expect(onlyConflict(world).status).toBe('open');
  expect(sidesOf(world)).toEqual([
    ['ERP', 9],
    ['SHOP', 8],
  ]);
});

test('an open conflict whose sides become equal closes itself', () => {
  const world = openWorld();
  world.change('SHOP', { price: 6 });
  expect(world.golden).toEqual({ price: 6 });
  expect(onlyConflict(world)).toMatchObject({ status: 'resolved', resolution: 'converged' });
});

test('an open conflict goes on waiting when the golden value was written over the other side', () => {
  const world = openWorld();
  world.acknowledge(world.writeBack('SHOP'));
  expect(onlyConflict(world).status).toBe('open');
  world.change('ERP', { price: 9 });
  expect(onlyConflict(world).status).toBe('open');
  expect(sidesOf(world)).toEqual([
    ['ERP', 9],
    ['SHOP', 7],
  ]);
});

test('a change by somebody who saw the golden value ends the conflict', () => {
  const world = openWorld();
  world.acknowledge(world.writeBack('SHOP'));
  world.change('SHOP', { price: 10 });
  expect(world.golden).toEqual({ price: 10 });
  expect(onlyConflict(world)).toMatchObject({ status: 'resolved', resolution: 'superseded' });
});

const decidedAt = new Date(60_000).toISOString();

test('an answer settles the fields it names', () => {
  const world = openWorld();
  const { conflictId } = onlyConflict(world);
  world.answer({ conflictId, decidedAt, fields: { price: 7 } });
  expect(world.golden).toEqual({ price: 7 });
  expect(onlyConflict(world)).toMatchObject({ status: 'resolved', resolution: 'operator' });
});

test('answering twice is answering once, whoever is second', () => {
  const world = openWorld();
  const { conflictId } = onlyConflict(world);
  world.answer({ conflictId, decidedAt, fields: { price: 7 } });
  const late = world.answer({ conflictId, decidedAt, fields: { price: 1 } });
  expect(late).toMatchObject({ row: undefined, conflicts: [], golden: { moved: false } });
  expect(world.golden).toEqual({ price: 7 });
});

test('skipping keeps the golden value and does not report the same pair again', () => {
  const world = openWorld();
  const { conflictId } = onlyConflict(world);
  world.answer({ conflictId, decidedAt, skip: true });
  expect(world.golden).toEqual({ price: 6 });
  expect(onlyConflict(world)).toMatchObject({ status: 'skipped', resolution: 'skipped' });
  world.change('SHOP', { price: 7, note: 'other' }, { atMs: 70_000 });
  expect(world.golden).toEqual({ price: 6, note: 'other' });
  expect(onlyConflict(world).status).toBe('skipped');
});

test('a change after an answer applies like any other', () => {
  const world = openWorld();
  world.answer({ conflictId: onlyConflict(world).conflictId, decidedAt, fields: { price: 7 } });
  world.change('ERP', { price: 11 }, { atMs: 61_000 });
  expect(world.golden).toEqual({ price: 11 });
  expect(world.conflicts).toHaveLength(1);
});

test('a change from before an answer, arriving after it, opens a conflict anew', () => {
  const world = openWorld();
  world.answer({ conflictId: onlyConflict(world).conflictId, decidedAt, fields: { price: 7 } });
  world.change('ERP', { price: 11 }, { atMs: 59_000 });
  expect(world.golden).toEqual({ price: 7 });
  expect(world.conflicts.map(({ status }) => status)).toEqual(['resolved', 'open']);
});

test('an answer for some fields leaves the others open', () => {
  const world = worldWith(manual, { price: 5, title: 'Cup' });
  world.change('ERP', { price: 6, title: 'Cup A' });
  world.change('SHOP', { price: 7, title: 'Cup B' });
  const { conflictId, fields } = onlyConflict(world);
  expect(fields).toEqual(['price', 'title']);
  world.answer({ conflictId, decidedAt, fields: { price: 7 } });
  expect(world.golden).toEqual({ price: 7, title: 'Cup A' });
  expect(onlyConflict(world).status).toBe('open');
  world.answer({ conflictId, decidedAt, fields: { title: 'Cup C', price: 1 } });
  expect(world.golden).toEqual({ price: 7, title: 'Cup C' });
  expect(onlyConflict(world).status).toBe('resolved');
});

test('an answer that is none is refused', () => {
  const world = openWorld();
  expect(() => world.answer({ conflictId: 'x' })).toThrow('the answer to a conflict carries');
});

test('webhook: the conflict waits like a manual one and says for whom', () => {
  const world = worldWith(policyOf({ default: { strategy: 'webhook', url: 'https://rules.example/decide', secret: 's' } }), {
    price: 5,
  });
  world.change('ERP', { price: 6 });
  world.change('SHOP', { price: 7 });
  expect(onlyConflict(world)).toMatchObject({ status: 'open', resolution: 'webhook' });
});

test('sides of different types are left to a human whatever the policy', () => {
  const world = worldWith(newest, { price: 5 });
  world.change('ERP', { price: 6 });
  world.change('SHOP', { price: '7 EUR' });
  expect(world.golden).toEqual({ price: 6 });
  expect(onlyConflict(world)).toMatchObject({ conflictType: 'type-mismatch', status: 'open', resolution: 'manual' });
});

test('a change that stays behind golden says that it must be answered', () => {
  const world = worldWith(priority, { price: 5 });
  expect(world.change('ERP', { price: 6 }).differs).toBe(false);
  expect(world.change('SHOP', { price: 7 }).differs).toBe(true);
});

test('a change that arrives before the word of our write was made knowing of it, and what we wrote is not its own', () => {
  const world = worldWith(manual, { price: 5, title: 'Cup' });
  world.change('ERP', { price: 6, title: 'Cup' });
  const write = world.writeBack('SHOP');
  world.change('SHOP', { price: 6, title: 'Mug' });
  world.acknowledge(write);
  world.change('ERP', { price: 8, title: 'Cup' });
  expect(world.golden).toEqual({ price: 8, title: 'Mug' });
  expect(world.conflicts).toEqual([]);
});

test('what a source changed after an answer was decided stays, even if it arrived before the answer', () => {
  const world = openWorld();
  const { conflictId } = onlyConflict(world);
  world.change('SHOP', { price: 9 }, { atMs: 61_000 });
  world.answer({ conflictId, decidedAt, fields: { price: 7 } });
  expect(world.golden).toEqual({ price: 9 });
  expect(onlyConflict(world).status).toBe('resolved');
});
