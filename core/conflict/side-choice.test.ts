import { expect, test } from 'vitest';
import { ConflictWorld, policyOf } from '../../tests/conflict-world.ts';
import type { JsonObject } from '../json.ts';
import type { ConflictField } from './conflict.ts';
import type { OrderRule } from './policy.ts';
import { chooseByRule, decidedAtOf } from './side-choice.ts';

type Fields = Readonly<Record<string, ConflictField>>;

/** Three sources at odds, told of in another order than that of their clocks. One took the field away. */
function worldUnder(rules: object): ConflictWorld {
  const world = new ConflictWorld(policyOf(rules));
  for (const source of ['ERP', 'SHOP', 'WOO'])
    world.change(source, { price: 1, title: 'Cup' }, { operation: 'snapshot', atMs: 1 });
  world.change('WOO', { price: 2, title: 'Cup' }, { atMs: 3_000 });
  world.change('ERP', { price: 3, title: 'Mug' }, { atMs: 2_000 });
  world.change('SHOP', { title: 'Bowl' }, { atMs: 3_000 });
  return world;
}

function answerAll(
  world: ConflictWorld,
  chosenOf: (fields: Fields) => { fields: JsonObject; removed?: readonly string[] },
): void {
  for (const [conflictId, { fields }] of Object.entries(world.view.golden!.voice!.open!)) {
    const { fields: values, removed = [] } = chosenOf(fields);
    world.answer({ conflictId, decidedAt: decidedAtOf(0, fields), skip: false, fields: values, removed: [...removed] });
  }
  expect(world.view.golden!.voice!.open).toBeUndefined();
}

test.each([
  { default: 'newest_wins' },
  { default: 'priority', ranking: ['shop', 'erp', 'woo'] },
  { default: 'priority', ranking: ['woo'] },
])('a fallback ends where the policy %j would have', (rules) => {
  const world = worldUnder({});
  answerAll(world, (fields) => chooseByRule(fields, policyOf(rules).defaultRule as OrderRule));
  expect(world.golden).toEqual(worldUnder(rules).golden);
});

test('a decision holds although the clocks of the sources are ahead of ours', () => {
  const world = worldUnder({});
  answerAll(world, (fields) => ({ fields: fields.price === undefined ? { title: 'Jug' } : { price: 9 } }));
  expect(world.golden).toEqual({ price: 9, title: 'Jug' });
});
