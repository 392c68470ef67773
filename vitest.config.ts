import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const globalStack = join(import.meta.dirname, 'tests', 'global-stack.ts');

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', 'web/**', 'tests/fixtures/**', '.mutants/**', '.syncline/**'],
    pool: 'forks',
    // Many tests wait for others most of the time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 120_000,
    globalSetup: existsSync(globalStack) ? [globalStack] : [],
  },
});
