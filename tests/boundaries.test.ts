import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { cruise, type IConfiguration, type ICruiseResult } from 'dependency-cruiser';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const fixtures = join(import.meta.dirname, 'fixtures', 'boundaries');
const configuration = createRequire(import.meta.url)('../.dependency-cruiser.cjs') as IConfiguration;
const rules = configuration.forbidden?.map(({ name }) => name ?? '') ?? [];

async function violationsIn(baseDir: string, folders: readonly string[]): Promise<{ rule: string; edge: string }[]> {
  const options = { ...configuration.options, ruleSet: configuration, validate: true, baseDir };
  const { output } = await cruise([...folders], options, configuration.options?.enhancedResolveOptions);
  return (output as ICruiseResult).summary.violations.map(({ rule, from, to }) => ({
    rule: rule.name,
    edge: `${from} -> ${to}`,
  }));
}

test.each(rules)('an import that breaks %s is caught', async (rule) => {
  const violations = await violationsIn(join(fixtures, rule), ['.']);
  expect(new Set(violations.map((violation) => violation.rule))).toEqual(new Set([rule]));
});

test('every fixture belongs to a rule', () => {
  expect(readdirSync(fixtures).sort()).toEqual([...rules].sort());
});

test('no import of ours breaks a rule', async () => {
  const folders = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .map(({ name }) => name);
  expect(await violationsIn(root, folders)).toEqual([]);
});
