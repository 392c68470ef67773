import { expect, test } from 'vitest';
import { ConflictWorld, policyOf } from '../../tests/conflict-world.ts';
import { ExactNumber, type JsonValue } from '../json.ts';
import { explain } from './explain.ts';

function worldOf(merge: string, found: Readonly<Record<string, JsonValue>>): ConflictWorld {
  const world = new ConflictWorld(policyOf({ fields: { f: { merge } }, ranking: ['erp', 'shop', 'woo'] }));
  for (const [source, f] of Object.entries(found)) world.change(source, { f }, { operation: 'snapshot' });
  return world;
}

// Counters

test('the acknowledgement of a count is no sale, whichever of it and the target’s own news comes first', () => {
  for (const echoFirst of [false, true]) {
    const world = worldOf('counter', { ERP: 10, SHOP: 10 });
    world.change('ERP', { f: 8 });
    const write = world.writeBack('SHOP');
    if (echoFirst) world.change('SHOP', { f: 7 }); // our 8, and one sold
    world.acknowledge(write);
    if (!echoFirst) world.change('SHOP', { f: 7 });
    expect(world.golden).toEqual({ f: 7 });
    world.acknowledge(world.writeBack('ERP'));
    expect(world.golden).toEqual({ f: 7 });
  }
});

test('a write that met a sale we had not heard of counts the sale', () => {
  const world = worldOf('counter', { ERP: 10, SHOP: 10 });
  world.change('ERP', { f: 8 });
  world.acknowledge({ ...world.writeBack('SHOP'), replaced: { f: 9 } }, { f: 7 });
  expect(world.golden).toEqual({ f: 7 });
});

test('a source that we filled counts from what we wrote there', () => {
  for (const echoFirst of [false, true]) {
    const world = worldOf('counter', { SHOP: 10 });
    world.change('SHOP', { f: 8 });
    const write = world.writeBack('ERP');
    if (echoFirst) world.change('ERP', { f: 8 });
    world.acknowledge(write);
    expect(world.golden).toEqual({ f: 8 });
    world.change('ERP', { f: 5 });
    expect(world.golden).toEqual({ f: 5 });
  }
});

test('what a source counted stays counted when another keeps the record alive that it deletes', () => {
  const world = new ConflictWorld(policyOf({ fields: { f: { merge: 'counter' } }, deletions: 'when_all_gone' }));
  for (const source of ['ERP', 'SHOP']) world.change(source, { f: 10 }, { operation: 'snapshot' });
  world.change('ERP', { f: 7 });
  world.change('ERP', null);
  expect(world.golden).toEqual({ f: 7 });
});

test('a record created anew begins with its own count, and takes back nothing that it had counted before', () => {
  const world = new ConflictWorld(policyOf({ fields: { f: { merge: 'counter' } }, deletions: 'when_all_gone' }));
  for (const source of ['ERP', 'SHOP']) world.change(source, { f: 10 }, { operation: 'snapshot' });
  world.change('SHOP', { f: 7 });
  world.change('SHOP', null);
  world.change('SHOP', { f: 4 });
  expect(world.golden).toEqual({ f: 7 });
  world.change('SHOP', null);
  world.change('ERP', null);
  expect(world.golden).toBeNull();
  world.change('SHOP', { f: 4 });
  expect(world.golden).toEqual({ f: 4 });
});

test('counts are exact beyond what a double holds, and texts keep their digits', () => {
  const large = worldOf('counter', { ERP: new ExactNumber('9007199254740993'), SHOP: 1 });
  large.change('SHOP', { f: 2 });
  expect(String(large.golden!.f)).toBe('9007199254740994');
  const money = worldOf('counter', { ERP: '10.50', SHOP: '10.50' });
  money.change('SHOP', { f: '10.20' });
  money.change('ERP', { f: '10.00' });
  expect(money.golden).toEqual({ f: '9.70' });
});

test('different first counts are logged, and the best ranked is the base', () => {
  const world = worldOf('counter', { SHOP: 12, ERP: 10 });
  expect(world.golden).toEqual({ f: 10 });
  expect(world.conflicts).toMatchObject([{ conflictType: 'create-create', resolution: 'counter' }]);
  world.change('SHOP', { f: 11 });
  expect(world.golden).toEqual({ f: 9 });
  expect(world.lines).toBe(1);
});

test('a count that is no number waits for a human, and an answer sets the count for all', () => {
  const world = worldOf('counter', { ERP: 10, SHOP: 10 });
  world.change('ERP', { f: 9 });
  world.change('SHOP', { f: 'many' });
  expect(world.golden).toEqual({ f: 9 });
  const [conflict] = world.conflicts;
  expect(conflict).toMatchObject({ conflictType: 'type-mismatch', status: 'open' });
  world.answer({ conflictId: conflict!.conflictId, decidedAt: new Date(60_000).toISOString(), fields: { f: 50 } });
  world.change('ERP', { f: 8 }, { atMs: 61_000 });
  expect(world.golden).toEqual({ f: 49 });
});

// Lists

test('what one source removes stays removed although another still has it from the beginning', () => {
  const world = worldOf('union', { ERP: ['a', 'b'], SHOP: ['a', 'b'] });
  world.change('SHOP', { f: ['b'] });
  expect(world.golden).toEqual({ f: ['b'] });
});

test('what is added and removed at the same time stays', () => {
  const world = worldOf('union', { ERP: ['a'], SHOP: ['a'] });
  world.change('SHOP', { f: [] });
  world.change('ERP', { f: [] });
  world.change('ERP', { f: ['a'] });
  expect(world.golden).toEqual({ f: ['a'] });
});

test('an element that we wrote to a source is gone when that source removes it', () => {
  const world = worldOf('union', { ERP: ['a'], SHOP: ['b'] });
  expect(world.golden).toEqual({ f: ['a', 'b'] });
  world.acknowledge(world.writeBack('SHOP'));
  world.change('SHOP', { f: ['b'] });
  expect(world.golden).toEqual({ f: ['b'] });
});

test('an element that we wrote to a source is not its own addition', () => {
  const world = new ConflictWorld(policyOf({ fields: { f: { merge: 'union' } }, deletions: 'when_all_gone' }));
  for (const source of ['ERP', 'SHOP']) world.change(source, { f: ['b'] }, { operation: 'snapshot' });
  world.change('SHOP', null);
  world.change('SHOP', { f: ['b'] });
  world.change('ERP', { f: ['a', 'b'] });
  world.acknowledge(world.writeBack('SHOP'));
  world.change('ERP', { f: ['b'] });
  expect(world.golden).toEqual({ f: ['b'] });
});

test('elements are compared by what they mean and sorted by their canonical text', () => {
  const world = worldOf('union', { ERP: [{ a: 1, b: 2 }, 'z', 10], SHOP: [{ b: 2, a: 1 }, 9] });
  expect(world.golden).toEqual({ f: ['z', 10, 9, { a: 1, b: 2 }] });
});

test('a list beside something that is no list waits for a human', () => {
  const world = worldOf('union', { ERP: ['a'], SHOP: 'a,b' });
  expect(world.conflicts).toMatchObject([{ conflictType: 'type-mismatch', status: 'open' }]);
});

// Smallest and largest

test('whoever brought the smallest may raise it again, and whoever saw it may overrule it', () => {
  const world = worldOf('min', { ERP: 8, SHOP: 5 });
  expect(world.golden).toEqual({ f: 5 });
  world.change('SHOP', { f: 9 });
  expect(world.golden).toEqual({ f: 8 });
  world.acknowledge(world.writeBack('SHOP'));
  world.change('SHOP', { f: 20 });
  expect(world.golden).toEqual({ f: 20 });
});

test('decimals in text and times in any zone are compared by what they mean', () => {
  expect(worldOf('max', { ERP: '9.5', SHOP: '10.00' }).golden).toEqual({ f: '10.00' });
  const early = '2026-01-01T01:00:00+02:00';
  expect(worldOf('min', { ERP: '2026-01-01T00:00:00Z', SHOP: early }).golden).toEqual({ f: early });
  const odd = worldOf('min', { ERP: 5, SHOP: 'soon' });
  expect(odd.conflicts).toMatchObject([{ conflictType: 'type-mismatch', status: 'open' }]);
  expect(odd.golden).toEqual({ f: 5 });
});

// Why

test('explain names value, source, event, rule and what was overridden', () => {
  const world = new ConflictWorld(policyOf({ ranking: ['erp', 'shop'] }));
  for (const source of ['ERP', 'SHOP']) world.change(source, { price: 5, note: 'n' }, { operation: 'snapshot' });
  world.change('SHOP', { price: 7, note: 'n' }, { eventId: 's' });
  world.change('ERP', { price: 6, note: 'n' }, { eventId: 'e' });
  expect([...explain(world.policy, world.view)]).toMatchObject([
    ['note', { value: 'n', rule: 'agreed', overrode: [] }],
    [
      'price',
      { value: 6, source: 'ERP', eventId: 'e', rule: 'priority', overrode: [{ source: 'SHOP', value: 7, eventId: 's' }] },
    ],
  ]);
});
