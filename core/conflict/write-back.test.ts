import { describe, expect, test } from 'vitest';
import { checksumOf } from '../canonical/canonical.ts';
import type { EntityId, EventId } from '../change-event.ts';
import type { JsonObject } from '../json.ts';
import { uncountedChecksum } from './uncounted.ts';
import { type WriteBack, WriteBacks } from './write-back.ts';

const counters = ['stock'];

/** A write that replaced one record by another. */
function write(id: string, from: JsonObject | null, to: JsonObject | null, more: Partial<WriteBack> = {}): WriteBack {
  return {
    id,
    entityId: 'product:A' as EntityId,
    target: 'crm',
    eventId: '00000000-0000-8000-8000-000000000001' as EventId,
    knowledge: {},
    heard: false,
    told: false,
    deletes: to === null,
    echo: to === null ? null : checksumOf(to),
    expected: from === null ? null : uncountedChecksum(counters, from),
    replaced: from,
    returned: to,
    ...more,
  };
}

function says(writeBacks: WriteBacks, data: JsonObject | null, { isKnown = false, counted = true } = {}) {
  const word = { data, checksum: data === null ? null : checksumOf(data) };
  const hearing = writeBacks.hear(word, isKnown, () =>
    counted && data !== null ? uncountedChecksum(counters, data) : undefined,
  );
  return hearing.kind === 'echo' ? { ...hearing, heard: hearing.heard.map(({ id }) => id) } : hearing;
}

const notesOf = (writeBacks: WriteBacks) => [...writeBacks.notes()];
const x = { name: 'x', stock: 9 };
const y = { name: 'y', stock: 9 };
const z = { name: 'z', stock: 9 };

describe('a system that is written to and tells of it', () => {
  test('its word of our write is the write, whichever comes first, that or the acknowledgement', () => {
    const early = new WriteBacks([write('1', x, y)]);
    expect(says(early, y)).toEqual({ kind: 'echo', heard: ['1'], isNews: true });
    expect(early.acknowledge('1')).toBeUndefined();
    expect(says(early, y)).toEqual({ kind: 'own' });
    const late = new WriteBacks([write('1', x, y)]);
    expect(late.acknowledge('1')).toMatchObject({ isAwaited: true });
    expect(late.acknowledge('1')).toBeUndefined();
    expect(says(late, y, { isKnown: true })).toEqual({ kind: 'echo', heard: [], isNews: false });
    expect(notesOf(late)).toEqual([{ id: '1', heard: true, told: true, doubted: false }]);
  });

  test('the word of a write that others have followed is that write and no step back', () => {
    const writes = [write('1', x, y, { heard: true }), write('2', y, z, { heard: true }), write('3', z, y)];
    const writeBacks = new WriteBacks(writes);
    expect(says(writeBacks, y)).toEqual({ kind: 'echo', heard: [], isNews: false });
    expect(says(writeBacks, z)).toEqual({ kind: 'echo', heard: [], isNews: false });
    expect(says(writeBacks, y)).toEqual({ kind: 'echo', heard: ['3'], isNews: true });
    expect(says(writeBacks, z)).toEqual({ kind: 'own' });
  });

  test('the word of a write brings those before it that nobody has heard of, in their order', () => {
    const writeBacks = new WriteBacks([write('1', x, y), write('2', y, z)]);
    expect(says(writeBacks, z)).toEqual({ kind: 'echo', heard: ['1', '2'], isNews: true });
  });

  test('a deletion and a record made anew are told like any other', () => {
    const writeBacks = new WriteBacks([write('1', x, null, { heard: true }), write('2', null, y, { heard: true })]);
    expect(says(writeBacks, null)).toEqual({ kind: 'echo', heard: [], isNews: false });
    expect(says(writeBacks, y)).toEqual({ kind: 'echo', heard: [], isNews: false });
    expect(says(writeBacks, null)).toEqual({ kind: 'own' });
  });

  test('what it counted before our write and tells after the acknowledgement is known by that', () => {
    const writeBacks = new WriteBacks([write('1', { ...x, stock: 7 }, { ...y, stock: 6 }, { heard: true })]);
    expect(says(writeBacks, { ...x, stock: 8 })).toEqual({ kind: 'before' });
    expect(says(writeBacks, { ...x, stock: 7 })).toEqual({ kind: 'before' });
    expect(says(writeBacks, { ...y, stock: 6 })).toMatchObject({ kind: 'echo' });
    expect(says(writeBacks, { ...x, stock: 7 })).toEqual({ kind: 'own' });
  });

  test('where nothing is counted, and before a write that nobody has heard of, it is its own word', () => {
    const uncounted = new WriteBacks([write('1', x, y, { heard: true })]);
    expect(says(uncounted, x, { counted: false })).toEqual({ kind: 'own' });
    const unheard = new WriteBacks([write('1', x, y)]);
    expect(says(unheard, { ...x, stock: 8 })).toEqual({ kind: 'own' });
    expect(says(unheard, y)).toMatchObject({ kind: 'echo', isNews: true });
  });

  test('behind something of its own no echo is to come, and the acknowledgement is told so', () => {
    const writeBacks = new WriteBacks([write('1', x, y)]);
    expect(says(writeBacks, z)).toEqual({ kind: 'own' });
    expect(says(writeBacks, y)).toEqual({ kind: 'own' });
    expect(writeBacks.acknowledge('1')).toMatchObject({ isAwaited: false });
  });

  test('a write whose look nobody knows is no echo of anything', () => {
    const writeBacks = new WriteBacks([write('1', x, y, { echo: null })]);
    expect(says(writeBacks, y)).toEqual({ kind: 'own' });
    expect(says(new WriteBacks([write('1', x, y, { echo: null })]), null)).toEqual({ kind: 'own' });
  });
});

describe('what is known by its looks alone', () => {
  test('has to be looked at, because users may have turned it back', () => {
    const writes = [write('1', x, y, { heard: true }), write('2', y, z, { heard: true })];
    const turned = new WriteBacks(writes);
    expect(says(turned, y)).toMatchObject({ kind: 'echo', isNews: false });
    expect(turned.isDoubted).toBe(true);
    const counted = new WriteBacks([write('1', x, y, { heard: true })]);
    expect(says(counted, x)).toEqual({ kind: 'before' });
    expect(counted.isDoubted).toBe(true);
    const older = new WriteBacks([write('1', x, y), write('2', y, z)]);
    expect(says(older, y)).toMatchObject({ kind: 'echo', isNews: true });
    expect(older.isDoubted).toBe(true);
    const again = new WriteBacks([write('1', x, y)]);
    expect(says(again, x, { isKnown: true })).toEqual({ kind: 'own' });
    expect(again.isDoubted).toBe(true);
    const before = new WriteBacks([write('1', x, y)]);
    before.takeAsBefore('1');
    expect(before.isDoubted).toBe(true);
  });

  test('leaves no doubt where it is the newest write, or what stands there anyway', () => {
    const writeBacks = new WriteBacks([write('1', x, y)]);
    expect(says(writeBacks, y)).toMatchObject({ kind: 'echo', isNews: true });
    expect(writeBacks.isDoubted).toBe(false);
    const heard = new WriteBacks([write('1', x, y, { heard: true })]);
    expect(says(heard, y, { isKnown: true })).toMatchObject({ kind: 'echo', isNews: false });
    expect(heard.isDoubted).toBe(false);
  });
});
