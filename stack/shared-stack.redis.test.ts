import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { hostSharedStack, useSharedStack } from './shared-stack.ts';

test('all who ask for a shared part are given the same one, and it ends with its host', async () => {
  const host = await hostSharedStack();
  const [one, other] = await Promise.all([useSharedStack(host, ['redis']), useSharedStack(host, ['redis'])]);
  expect(one.redis).toBe(other.redis);
  const client = new Redis(one.redis, { lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => {});
  expect(await client.ping()).toBe('PONG');
  await host.close();
  await expect(client.ping()).rejects.toThrow();
  client.disconnect();
});
