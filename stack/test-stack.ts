import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StackPart, StackSettings } from './embedded-part.ts';
import { type RunningStack, type StackOptions, startStack } from './stack.ts';

export interface TestStack extends RunningStack {
  /** Ends the services and removes their data. */
  stop(): Promise<void>;
}

const testSettings: StackSettings = { kafkaHeapMb: 256, postgresSharedBuffersMb: 64, registryHeapMb: 192 };

/** A private stack in a folder of its own, quick to start, gone without a trace even when the test run is killed. */
export async function acquireTestStack(
  parts: readonly StackPart[],
  options: Omit<StackOptions, 'dataDir' | 'parts'> = {},
): Promise<TestStack> {
  const dataDir = makeTestDirectory();
  const settings = { ...testSettings, ...options.settings };
  try {
    const stack = await startStack({ fast: true, disposable: true, ...options, settings, parts, dataDir });
    return withRemoval(stack);
  } catch (error) {
    rmSync(dataDir, { recursive: true, force: true });
    throw error;
  }
}

export function makeTestDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'syncline-test-'));
  // PostgreSQL may run as another user, who has to pass through.
  chmodSync(directory, 0o711);
  return directory;
}

function withRemoval(stack: RunningStack): TestStack {
  return {
    dataDir: stack.dataDir,
    get addresses() {
      return stack.addresses;
    },
    get pids() {
      return stack.pids;
    },
    part: (name) => stack.part(name),
    async stop() {
      await stack.stop();
      rmSync(stack.dataDir, { recursive: true, force: true });
    },
  };
}
