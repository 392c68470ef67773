import { afterAll, beforeAll } from 'vitest';
import { acquireTestStack, type TestStack } from '../../stack/test-stack.ts';
import { describeStateCache } from '../../tests/contracts/state-cache.ts';
import { createRedisClient } from './client.ts';
import { createStateCache } from './state-cache.ts';

let stack: TestStack;

beforeAll(async () => {
  stack = await acquireTestStack(['redis']);
});
afterAll(() => stack.stop());

async function restart(): Promise<void> {
  await stack.part('redis').stop();
  await stack.part('redis').start();
}

describeStateCache('Redis', async () => {
  const client = createRedisClient(stack.addresses.redis!);
  await client.connect();
  await client.flushall();
  const answersAgain = () =>
    new Promise<void>((resolve) => (client.status === 'ready' ? resolve() : client.once('ready', () => resolve())));
  return {
    cache: createStateCache(client, 'contract:'),
    async flush() {
      await client.flushall();
    },
    async restart() {
      await client.save();
      await restart();
      await answersAgain();
    },
    async snapshot() {
      await client.save();
      return async () => {
        await restart();
        await answersAgain();
      };
    },
    async close() {
      client.disconnect();
    },
  };
});
