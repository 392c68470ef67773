import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const globalStack = join(import.meta.dirname, 'tests', 'global-stack.ts');

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'web/**', 'tests/fixtures/**', '.mutants/**', '.syncline/**'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 120_000,
    globalSetup: existsSync(globalStack) ? [globalStack] : [],
  },
});
