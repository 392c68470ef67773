import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { ConflictWorld, policyOf } from '../../tests/conflict-world.ts';
import { mergeFunctions, simpleStrategies } from '../config/conflict-policy.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { conflictTypes } from './conflict.ts';

interface Example {
  readonly rules: JsonObject;
  readonly found?: JsonObject;
  readonly steps: readonly JsonObject[];
  readonly golden: JsonObject | null;
  readonly log: readonly JsonObject[];
}

const page = readFileSync(new URL('../../docs/conflicts.md', import.meta.url), 'utf8');
/** Each example with the heading that it stands under. */
const examples = page.split(/^#+ /m).flatMap((section) => {
  const title = section.slice(0, section.indexOf('\n'));
  return [...section.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => ({ title, example: parse(text!) as Example }));
});

function takeStep(world: ConflictWorld, step: JsonObject, number: number): void {
  const { at, ...what } = step;
  const atMs = typeof at === 'number' ? at * 1_000 : number * 1_000;
  const [[action, value]] = Object.entries(what) as [[string, JsonValue]];
  const open = () => ({ conflictId: world.conflicts.at(-1)!.conflictId, decidedAt: new Date(atMs).toISOString() });
  switch (action) {
    case 'written':
      world.acknowledge(world.writeBack(String(value).toUpperCase()));
      break;
    case 'deleted':
      world.change(String(value).toUpperCase(), null, { atMs });
      break;
    case 'answer':
      world.answer({ ...open(), fields: value });
      break;
    case 'skip':
      world.answer({ ...open(), skip: true });
      break;
    default:
      world.change(action.toUpperCase(), value as JsonObject, { atMs });
  }
}

test.each(examples)('docs/conflicts.md, $title: the example ends as it says', ({ example }) => {
  const world = new ConflictWorld(policyOf(example.rules));
  for (const source of example.found === undefined ? [] : ['ERP', 'SHOP']) {
    world.change(source, example.found!, { atMs: 0, operation: 'snapshot' });
  }
  example.steps.forEach((step, index) => {
    takeStep(world, step, index + 1);
  });
  expect(world.golden).toEqual(example.golden);
  expect(world.conflicts).toMatchObject(example.log);
});

test('docs/conflicts.md has an example of every strategy', () => {
  const strategies = [...simpleStrategies, 'webhook', ...mergeFunctions.map((name) => `merge: ${name}`)];
  const titles = examples.map(({ title }) => title);
  expect(titles).toEqual(expect.arrayContaining(strategies));
  const shown = new Set(examples.flatMap(({ example }) => example.log.map(({ conflictType }) => conflictType)));
  const bySourcesAlone = conflictTypes.slice(0, 3).concat('type-mismatch');
  for (const type of bySourcesAlone) expect(shown).toContain(type);
});
