import type { TestProject } from 'vitest/node';
import { hostSharedStack, type SharedStackDoor } from '../stack/shared-stack.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    stack: SharedStackDoor;
  }
}

/** Vitest's global set-up: one stack for the run, started by the first test that asks for a part of it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const host = await hostSharedStack();
  project.provide('stack', { url: host.url });
  return () => host.close();
}
