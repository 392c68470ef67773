import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConflictSystems } from '../../tests/conflict-systems.ts';
import { ConflictWorld, policyOf } from '../../tests/conflict-world.ts';
import { canonicalText } from '../canonical/canonical.ts';
import type { JsonObject } from '../json.ts';
import { remerge } from './engine.ts';

const numRuns = Number(process.env.FC_RUNS ?? 500);
const sourceTypes = ['ERP', 'SHOP', 'WOO'];

const orderStrategy = fc.constantFrom('priority', 'newest_wins', 'source_wins', 'target_wins');
const rules = fc.record({
  default: orderStrategy,
  ranking: fc.shuffledSubarray(['erp', 'shop', 'woo'], { minLength: 1 }),
  source: fc.constant('woo'),
  target: fc.constant('erp'),
  fields: fc.constant({ stock: { merge: 'counter' }, tags: { merge: 'union' }, low: { merge: 'min' }, high: { merge: 'max' } }),
  deletions: fc.constantFrom('propagate', 'when_all_gone'),
  deleteConflict: fc.constantFrom('update_wins', 'delete_wins', 'newest_wins', 'priority'),
});

const count = fc.oneof(fc.integer({ min: -3, max: 9 }), fc.constantFrom(0.1, 2.5));
const record = fc.record(
  {
    title: fc.constantFrom('a', 'b', 'c'),
    price: fc.constantFrom(1, 2, null),
    stock: fc.oneof({ weight: 3, arbitrary: count }, { weight: 1, arbitrary: fc.constantFrom(null, 'x') }),
    tags: fc.subarray(['x', 'y', 'z']),
    low: count,
    high: count,
  },
  { requiredKeys: [], noNullPrototype: true },
) as fc.Arbitrary<JsonObject>;
interface Step {
  readonly data: JsonObject | null;
  readonly atMs: number;
  readonly operation: 'snapshot' | 'create' | 'update';
}
const step: fc.Arbitrary<Step> = fc.record({
  data: fc.oneof({ weight: 5, arbitrary: record }, { weight: 1, arbitrary: fc.constant(null) }),
  atMs: fc.integer({ min: 0, max: 5 }),
  operation: fc.constantFrom('snapshot', 'create', 'update'),
});
const history = fc.tuple(...sourceTypes.map(() => fc.array(step, { maxLength: 6 })));

/** Plays each source's steps in their order, the sources mixed as `mixing` says. */
function play(
  policy: ReturnType<typeof policyOf>,
  steps: readonly (readonly Step[])[],
  mixing: readonly number[],
): ConflictWorld {
  const world = new ConflictWorld(policy);
  const next = sourceTypes.map(() => 0);
  const order = [...mixing, ...sourceTypes.flatMap((_source, index) => steps[index]!.map(() => index))];
  for (const index of order) {
    const at = next[index]!++;
    const now = steps[index]![at];
    if (now === undefined) continue;
    const { data, atMs, operation } = now;
    world.change(sourceTypes[index]!, data, { atMs, operation, eventId: `${sourceTypes[index]}-${at}` });
    expect(canonicalText(remerge(policy, world.view).golden.data)).toBe(canonicalText(world.golden));
  }
  return world;
}

const mixing = fc.array(fc.nat({ max: sourceTypes.length - 1 }), { maxLength: 18 });

test('the golden record is the same whatever the order in which the sources arrive, deletions included', () => {
  fc.assert(
    fc.property(rules, history, mixing, mixing, (written, steps, one, other) => {
      const policy = policyOf(written);
      const [left, right] = [play(policy, steps, one), play(policy, steps, other)];
      expect(canonicalText(right.golden)).toBe(canonicalText(left.golden));
      if (left.view.rows.length === 0) return;
      const fresh = remerge(policy, { golden: undefined, rows: left.view.rows });
      expect(canonicalText(fresh.golden.data)).toBe(canonicalText(left.golden));
    }),
    { numRuns },
  );
});

test('a counter ends at the base and the exact sum of all changes, whatever else than numbers it holds meanwhile', () => {
  const cents = fc.integer({ min: -5_000, max: 5_000 });
  const sale = fc.oneof({ weight: 3, arbitrary: cents }, { weight: 1, arbitrary: fc.constantFrom(null, 'absent', 'x') });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 2 }), sale), { maxLength: 30 }), (sales) => {
      const world = new ConflictWorld(policyOf({ default: { merge: 'counter' } }));
      const stocks = sourceTypes.map(() => 10_000);
      for (const source of sourceTypes) world.change(source, { stock: 100 }, { operation: 'snapshot' });
      const without = new Set<number>();
      let expected = 10_000;
      for (const [index, change] of sales) {
        without.delete(index);
        if (typeof change !== 'number') {
          if (change === 'absent') without.add(index);
          world.change(sourceTypes[index]!, change === 'absent' ? {} : { stock: change });
        } else {
          stocks[index]! += change;
          expected += change;
          world.change(sourceTypes[index]!, { stock: stocks[index]! / 100 });
        }
        expect(world.golden).toEqual(without.size === sourceTypes.length ? {} : { stock: expected / 100 });
      }
    }),
    { numRuns },
  );
});

const waitingPolicies = fc.constantFrom<unknown>(
  { default: 'manual' },
  { default: { strategy: 'webhook', url: 'https://rules.example/', secret: 's' } },
  { default: 'newest_wins' },
  { default: 'priority', ranking: ['shop', 'erp'] },
);

/** What the log says of an event, in any of its lines. */
function isLogged(world: ConflictWorld, eventId: string, everLogged: ReadonlySet<string>): boolean {
  return everLogged.has(eventId) || JSON.stringify(world.conflicts).includes(`"${eventId}"`);
}

test('no accepted change vanishes: it is golden, was taken back by its own source, or stands in the log', () => {
  fc.assert(
    fc.property(waitingPolicies, history, mixing, (written, steps, mixed) => {
      const world = new ConflictWorld(policyOf({ ...(written as object), deletions: 'when_all_gone' }));
      const next = sourceTypes.map(() => 0);
      const logged = new Set<string>();
      for (const index of mixed) {
        const now = steps[index]![next[index]!++];
        if (now?.data === undefined || now.data === null) continue;
        world.change(sourceTypes[index]!, now.data, { atMs: now.atMs });
        for (const match of JSON.stringify(world.conflicts).matchAll(/"eventId":"([^"]+)"/g)) logged.add(match[1]!);
        for (const row of world.view.rows) {
          for (const [field, touch] of Object.entries(row.voice!.touches)) {
            const said = row.data?.[field];
            const same = canonicalText(said ?? null) === canonicalText(world.golden?.[field] ?? null);
            if (!same && touch !== null) expect(isLogged(world, touch[2], logged)).toBe(true);
          }
        }
      }
    }),
    { numRuns },
  );
});

const action = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('change' as const),
      fields: fc.subarray(['title', 'price', 'stock'], { minLength: 1 }),
      atMs: fc.nat({ max: 9 }),
      odd: fc.option(fc.constantFrom(null, 'x'), { nil: undefined, freq: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deliver' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('write' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('acknowledge' as const) }) },
);
const course = fc.array(fc.tuple(fc.constantFrom(...sourceTypes), action), { maxLength: 40 });

test('with write-backs at any moment all systems end with the golden record, nothing seen is undone and every count is exact', () => {
  fc.assert(
    fc.property(waitingPolicies, course, (written, actions) => {
      const policy = policyOf({ ...(written as object), fields: { stock: { merge: 'counter' } } });
      const systems = new ConflictSystems(policy, sourceTypes, { title: 't0', price: 'p0', stock: 100 });
      let [number, sold] = [0, 0];
      const counts = new Map(sourceTypes.map((source) => [source, 100]));
      for (const [source, what] of actions) {
        const held = systems.state(source)!.stock;
        if (typeof held === 'number') counts.set(source, held);
        if (what.do !== 'change') {
          systems[what.do](source);
          continue;
        }
        number++;
        const fields: JsonObject = {};
        for (const field of what.fields) {
          fields[field] = field === 'stock' && what.odd !== undefined ? what.odd : `${field}${number}`;
          if (field !== 'stock' || what.odd !== undefined) continue;
          sold += number;
          fields.stock = counts.get(source)! - number;
        }
        systems.change(source, fields, what.atMs);
      }
      systems.quiesce();
      const { world } = systems;
      for (const source of sourceTypes) expect(systems.state(source)).toEqual(world.golden);
      expect(world.golden).toMatchObject({ stock: 100 - sold });
      for (const field of ['title', 'price']) {
        const deeds = systems.deeds.filter((deed) => deed.field === field);
        const last = deeds.filter((deed) => !deeds.some((other) => other.known.has(deed)));
        if (last.length > 0) expect(last.map(({ value }) => value)).toContain(world.golden![field]);
        if (last.length === 1) expect(world.golden![field]).toBe(last[0]!.value);
        for (const { value, eventId } of last) {
          if (value !== world.golden![field]) expect(isLogged(world, eventId, new Set())).toBe(true);
        }
      }
      const lines = world.lines;
      systems.quiesce();
      expect(world.lines).toBe(lines);
    }),
    { numRuns },
  );
});
