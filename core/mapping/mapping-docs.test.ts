import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { compileMapping, mappingSchema } from './mapping.ts';

const page = readFileSync(new URL('../../docs/mapping.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);

test('every example of docs/mapping.md compiles', () => {
  expect(examples.length).toBeGreaterThanOrEqual(6);
  for (const example of examples) compileMapping(mappingSchema.parse(parse(example).mapping));
});

test('docs/mapping.md names every step', () => {
  const steps =
    'trim lower upper title cast parseDate formatDate parseNumber formatNumber round add subtract multiply divide split join replace lookup path nullIf default each';
  for (const step of steps.split(' ')) expect(page).toContain(`\`${step}`);
});
