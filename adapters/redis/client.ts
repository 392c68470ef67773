import { Redis } from 'ioredis';

const reconnectDelayMsMax = 1_000;
const commandTimeoutMs = 5_000;

/**
 * A client that fails fast and never sends a command twice: a write that was lost with its connection must not arrive
 * after newer ones, and the caller knows how to go on without an answer.
 */
export function createRedisClient(url: string): Redis {
  const client = new Redis(url, {
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    lazyConnect: true,
    commandTimeout: commandTimeoutMs,
    connectTimeout: commandTimeoutMs,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), reconnectDelayMsMax),
  });
  // Each failed command rejects by itself; without a listener the connection's error would stop the process.
  client.on('error', () => undefined);
  return client;
}

export interface RedisPolicy {
  readonly maxmemoryPolicy: string;
  readonly evicts: boolean;
}

/** An evicting policy costs speed: entries vanish and their records pass the filter again. */
export async function redisPolicy(client: Redis): Promise<RedisPolicy> {
  const answer = (await client.config('GET', 'maxmemory-policy')) as string[];
  const maxmemoryPolicy = answer[1] ?? 'unknown';
  return { maxmemoryPolicy, evicts: !['noeviction', 'unknown'].includes(maxmemoryPolicy) };
}
