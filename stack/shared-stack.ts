import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { type StackPart, stackParts } from './embedded-part.ts';
import type { StackAddresses } from './stack.ts';
import { acquireTestStack, type TestStack } from './test-stack.ts';

/** What a test file is told: where to ask for the stack that one test run shares. */
export interface SharedStackDoor {
  readonly url: string;
}

export interface SharedStackHost extends SharedStackDoor {
  close(): Promise<void>;
}

const addressesSchema = z.object({ addresses: z.partialRecord(z.enum(stackParts), z.string()) });
const failureSchema = z.object({ error: z.string() });

/** Listens for test files; a part starts when the first of them asks for it, so a run without such tests starts nothing. */
export async function hostSharedStack(): Promise<SharedStackHost> {
  const stacks = new Map<string, Promise<TestStack>>();
  const start = (parts: readonly StackPart[]): Promise<TestStack> => {
    const key = parts.join('+');
    const stack = stacks.get(key) ?? acquireTestStack(parts);
    stacks.set(key, stack);
    return stack;
  };
  const server = createServer((request, response) => {
    const asked = (request.url ?? '/').slice(1).split(',');
    const addresses = collectAddresses(
      stackParts.filter((part) => asked.includes(part)),
      start,
    );
    addresses.then(
      (found) => response.end(JSON.stringify({ addresses: found })),
      (error: unknown) => response.writeHead(500).end(JSON.stringify({ error: String(error) })),
    );
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      await new Promise((resolve) => server.close(resolve));
      const started = await Promise.allSettled(stacks.values());
      await Promise.all(started.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.stop() : undefined)));
    },
  };
}

/** Called in a test: the addresses of the shared services, started now if nobody asked before. */
export async function useSharedStack<P extends StackPart>(
  door: SharedStackDoor,
  parts: readonly P[],
): Promise<Record<P, string>> {
  const response = await fetch(`${door.url}/${parts.join(',')}`);
  const body: unknown = await response.json();
  if (!response.ok) throw new Error(failureSchema.parse(body).error);
  const { addresses } = addressesSchema.parse(body);
  for (const part of parts) assert(addresses[part] !== undefined, `the shared stack has no ${part}`);
  return addresses as Record<P, string>;
}

/** Each part is a stack of its own, because who asks first cannot know what others will want; the registry brings its PostgreSQL. */
async function collectAddresses(
  parts: readonly StackPart[],
  start: (parts: readonly StackPart[]) => Promise<TestStack>,
): Promise<StackAddresses> {
  const unitOf = (part: StackPart): readonly StackPart[] => (part === 'registry' ? ['postgres', 'registry'] : [part]);
  const found = await Promise.all(parts.map(async (part) => [part, (await start(unitOf(part))).addresses[part]] as const));
  return Object.fromEntries(found);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}
