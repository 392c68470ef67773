import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SyncError } from '../core/errors.ts';
import type { JsonObject } from '../core/json.ts';
import { VerifyWorld, type VerifyWorldOptions } from '../tests/verify-world.ts';

const numRuns = Number(process.env.FC_RUNS ?? 300);

const key = fc.constantFrom('A', 'B', 'b', 'ä', '10', '9', 'C/D', 'Z');
const record = fc.record({ name: fc.constantFrom('x', 'y', 'z', null), stock: fc.integer({ min: 0, max: 2 }) });
const side = fc.dictionary(key, record, { maxKeys: 8 });

/** By hand, from the two sets alone. */
function differenceOf(ours: Record<string, JsonObject>, theirs: Record<string, JsonObject>): string[] {
  const lines: string[] = [];
  for (const one of new Set([...Object.keys(ours), ...Object.keys(theirs)])) {
    const [left, right] = [ours[one], theirs[one]];
    if (left === undefined) lines.push(`missing_here ${one} `);
    else if (right === undefined) lines.push(`missing_there ${one} `);
    else {
      const fields = ['name', 'stock'].filter((field) => left[field] !== right[field]);
      if (fields.length > 0) lines.push(`differs ${one} ${fields}`);
    }
  }
  return lines.sort();
}

async function found(world: VerifyWorld, limit: number): Promise<string[]> {
  const suspects = await world.findings(limit);
  return [...new Set(suspects.map(({ key: of, finding }) => `${finding.kind} ${of} ${finding.fields}`))].sort();
}

const rowOf = ({ name, stock }: JsonObject): JsonObject => ({ label: name!, stock: stock! });
const inTheirNames = (lines: readonly string[]) => lines.map((line) => line.replace(/\bname\b/, 'label')).sort();

describe('of any two sets of records exactly what one side lacks or has otherwise is found', () => {
  test.each([
    ['is a source and written to', true],
    ['is only read', false],
  ])('at a system that %s', async (_what, isTarget) => {
    await fc.assert(
      fc.asyncProperty(side, side, fc.integer({ min: 1, max: 5 }), async (ours, theirs, limit) => {
        const world = new VerifyWorld({ isSource: true, isTarget });
        for (const [one, data] of Object.entries(ours)) world.knows(one, data);
        for (const [one, data] of Object.entries(theirs)) world.target.put('product', one, rowOf(data));
        expect(await found(world, limit)).toEqual(differenceOf(ours, theirs));
      }),
      { numRuns },
    );
  });

  test.each<[string, VerifyWorldOptions['normalise']]>([
    ['takes rows as they are', undefined],
    [
      'makes capitals of names',
      (row) => ({ ...row, label: typeof row.label === 'string' ? row.label.toUpperCase() : row.label! }),
    ],
  ])('at a system that is only written to and %s', async (_what, normalise) => {
    const made = (row: JsonObject) => normalise?.(row) ?? row;
    await fc.assert(
      fc.asyncProperty(side, side, fc.integer({ min: 1, max: 5 }), async (ours, theirs, limit) => {
        const world = new VerifyWorld({ isSource: false, ...(normalise === undefined ? {} : { normalise }) });
        for (const [one, data] of Object.entries(ours)) {
          world.knows(one, data);
          world.wrote(one, data, made(rowOf(data)));
        }
        for (const [one, data] of Object.entries(theirs)) world.target.put('product', one, rowOf(data));
        const normal = (records: Record<string, JsonObject>) =>
          Object.fromEntries(
            Object.entries(records).map(([one, data]) => {
              const { label, stock } = made(rowOf(data));
              return [one, { name: label!, stock: stock! }];
            }),
          );
        expect(await found(world, limit)).toEqual(inTheirNames(differenceOf(normal(ours), normal(theirs))));
      }),
      { numRuns },
    );
  });
});

test('what was deleted and is there is missing here, unless nothing is deleted there', async () => {
  for (const [deletes, lines] of [
    ['delete', ['missing_here A ']],
    ['ignore', []],
  ] as const) {
    const world = new VerifyWorld({ isSource: false, deletes });
    world.knows('A', null);
    world.target.put('product', 'A', { label: 'x', stock: 1 });
    expect(await found(world, 10)).toEqual(lines);
  }
});

test('a golden record that its target was not told is found, although the target is as it said', async () => {
  const world = new VerifyWorld({ isSource: true });
  world.knows('A', { name: 'new', stock: 2 }, { name: 'old', stock: 2 });
  world.target.put('product', 'A', { label: 'old', stock: 2 });
  expect(await found(world, 10)).toEqual(['undelivered A label']);
});

test('a source that is only read owes nobody the golden record', async () => {
  const world = new VerifyWorld({ isSource: true, isTarget: false });
  world.knows('A', { name: 'new', stock: 2 }, { name: 'old', stock: 2 });
  world.target.put('product', 'A', { label: 'old', stock: 2 });
  expect(await found(world, 10)).toEqual([]);
});

test.each([true, false])('a row whose change became a dead letter is not called unheard of', async (isTarget) => {
  const world = new VerifyWorld({ isSource: true, isTarget });
  for (const key of ['A', 'B']) world.target.put('product', key, { label: 'x', stock: 1 });
  world.letters.set('A', 'record.too-large');
  const reasons = ['its change lies in the dead letters: record.too-large', 'it never told of it'];
  const suspects = await world.findings();
  expect(suspects.map(({ finding }) => finding.reason)).toEqual(reasons);
  expect((await world.comparison.again(suspects)).map(({ finding }) => finding?.reason)).toEqual(reasons);
});

test('a row that cannot be told is found with what is wrong with it', async () => {
  const world = new VerifyWorld({ isSource: true, isTarget: false });
  world.knows('A', { name: 'x', stock: 1 });
  const fault = new SyncError('record.too-deep', 'nested too deep');
  const broken = (key: string) => ({ key, row: {}, fault });
  world.target.readKeys = async (_kind, keys) => keys.map(broken);
  world.target.readRange = async () => ({ rows: [broken('B')], next: null });
  expect((await world.findings()).map(({ key, finding }) => [key, finding])).toEqual([
    ['A', { kind: 'differs', fields: [], reason: 'record.too-deep: nested too deep' }],
    ['B', { kind: 'missing_here', fields: [], reason: 'record.too-deep: nested too deep' }],
  ]);
});

test('a row whose key the system pads is the row of the record we know', async () => {
  const world = new VerifyWorld({ isSource: true });
  world.knows('A', { name: 'x', stock: 1 });
  world.target.put('product', 'A  ', { label: 'x', stock: 1 });
  world.target.put('product', 'B  ', { label: 'x', stock: 1 });
  const readKeys = world.target.readKeys.bind(world.target);
  world.target.readKeys = async (kind, keys) => {
    const rows = await readKeys(
      kind,
      keys.map((key) => key.padEnd(3)),
    );
    return rows.map(({ key, row }) => ({ key: keys.find((asked) => asked.padEnd(3) === key)!, row }));
  };
  expect(await found(world, 10)).toEqual(['missing_here B   ']);
});

test('a record that is frozen says so', async () => {
  const world = new VerifyWorld({ isSource: false });
  world.knows('A', { name: 'x', stock: 1 });
  world.wrote('A', { name: 'x', stock: 1 }, { label: 'x', stock: 1 });
  const [name, state] = [...world.rows.states][0]!;
  world.rows.states.set(name, { ...state, frozen: true });
  world.target.put('product', 'A', { label: 'y', stock: 1 });
  expect((await world.findings()).map(({ finding }) => finding)).toEqual([
    { kind: 'differs', fields: ['label'], reason: 'it is frozen: see its letter' },
  ]);
});

test('both sides of a sighting change with what is on its way, and not without', async () => {
  const world = new VerifyWorld({ isSource: true });
  world.knows('A', { name: 'x', stock: 1 });
  world.target.put('product', 'A', { label: 'y', stock: 1 });
  const subject = { key: 'A', entityId: null };
  const [first] = await world.comparison.again([subject]);
  expect(await world.comparison.again([subject])).toEqual([first]);
  world.target.put('product', 'A', { label: 'z', stock: 1 });
  const [second] = await world.comparison.again([subject]);
  expect(second).toMatchObject({ here: first!.here });
  expect(second!.there).not.toBe(first!.there);
  world.knows('A', { name: 'z', stock: 1 });
  const [third] = await world.comparison.again([subject]);
  expect(third).toMatchObject({ finding: null, there: second!.there });
  expect(third!.here).not.toBe(first!.here);
});
