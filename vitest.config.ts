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
    // Nothing is timed: a machine that is busy may take long.
    testTimeout: 120_000,
    expect: { poll: { timeout: 60_000, interval: 50 } },
    hookTimeout: 120_000,
    globalSetup: existsSync(globalStack) ? [globalStack] : [],
  },
});
