import type { Redis } from 'ioredis';
import { SyncError } from '../../core/errors.ts';
import type { PartitionRef } from '../../core/ports/event-log.ts';
import type { CacheEntry, CacheTicket, StateCache } from '../../core/ports/state-cache.ts';
import type { Position } from '../../core/position.ts';

/**
 * Invariant 2: Redis is a filter and nothing else. Every script looks at the server's own identity, so a restart, a
 * failover or an older snapshot is noticed in the same round trip that reads the entries.
 *
 * All keys of a partition share a hash tag: one slot of a Cluster, one script call.
 */

/** Which server with which history: a restart changes the run id, a promotion the replication id. */
const serverIdentity = `
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
local run = string.match(info, 'run_id:(%x+)') .. string.match(info, 'master_replid:(%x+)')`;

const takeScript = `${serverIdentity}
local found = redis.call('GET', KEYS[1])
if ARGV[3] == '' then
  if found and tonumber(string.match(found, '^(%d+) ')) > tonumber(ARGV[1]) then return 0 end
elseif found ~= ARGV[3] .. ' ' .. ARGV[2] .. ' ' .. run then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. run)
return 1`;

// Lua's unpack fails near 4,000 elements.
const readScript = `${serverIdentity}
if redis.call('GET', KEYS[1]) ~= ARGV[1] .. ' ' .. run then return false end
local out = {}
for first = 2, #KEYS, 1000 do
  local part = redis.call('MGET', unpack(KEYS, first, math.min(first + 999, #KEYS)))
  for i = 1, #part do out[first - 2 + i] = part[i] end
end
return out`;

const writeScript = `${serverIdentity}
if redis.call('GET', KEYS[1]) ~= ARGV[1] .. ' ' .. run then return 0 end
local pairs = {}
local n = 0
for i = 2, #KEYS do
  n = n + 2
  pairs[n - 1] = KEYS[i]
  pairs[n] = ARGV[i]
  if n == 1000 then
    redis.call('MSET', unpack(pairs, 1, n))
    n = 0
  end
end
if n > 0 then redis.call('MSET', unpack(pairs, 1, n)) end
return 1`;

interface ScriptedRedis extends Redis {
  synclineTake(keys: number, mark: string, ...args: string[]): Promise<number>;
  synclineRead(keys: number, ...args: string[]): Promise<(string | null)[] | null>;
  synclineWrite(keys: number, ...args: string[]): Promise<number>;
}

/** The caller opens and closes the client, made by `createRedisClient`. */
export function createStateCache(client: Redis, keyPrefix: string): StateCache {
  client.defineCommand('synclineTake', { lua: takeScript });
  client.defineCommand('synclineRead', { lua: readScript });
  client.defineCommand('synclineWrite', { lua: writeScript });
  const redis = client as ScriptedRedis;

  return {
    async take(ticket, previousToken) {
      const previous = previousToken === null ? '' : String(previousToken);
      return (
        (await answered(() => redis.synclineTake(1, markKey(keyPrefix, ticket), String(ticket.token), ticket.era, previous))) ===
        1
      );
    },

    async read(ticket, keys) {
      const folder = entryFolder(keyPrefix, ticket);
      const found = await answered(() =>
        redis.synclineRead(keys.length + 1, markKey(keyPrefix, ticket), ...keys.map((key) => folder + key), markOf(ticket)),
      );
      if (found === null) return { trusted: false, entries: [] };
      const era = `${ticket.era} `;
      return { trusted: true, entries: keys.map((_, index) => parseEntry(found[index] ?? null, era)) };
    },

    async write(ticket, entries) {
      const folder = entryFolder(keyPrefix, ticket);
      const written = await answered(() =>
        redis.synclineWrite(
          entries.length + 1,
          markKey(keyPrefix, ticket),
          ...entries.map((entry) => folder + entry.key),
          markOf(ticket),
          ...entries.map((entry) => entryText(ticket.era, entry)),
        ),
      );
      return written === 1;
    },
  };
}

function markKey(prefix: string, ref: PartitionRef): string {
  return `${prefix}{${ref.topic}:${ref.partition}}#mark`;
}

function entryFolder(prefix: string, ref: PartitionRef): string {
  return `${prefix}{${ref.topic}:${ref.partition}}:`;
}

function markOf(ticket: CacheTicket): string {
  return `${ticket.token} ${ticket.era}`;
}

function entryText(era: string, entry: CacheEntry): string {
  return `${era} ${entry.offset} ${entry.settled ? 1 : 0} ${entry.position} ${entry.digest} ${entry.fingerprint}`;
}

function parseEntry(text: string | null, era: string): CacheEntry | null {
  if (text === null || !text.startsWith(era)) return null;
  const afterOffset = text.indexOf(' ', era.length);
  const afterSettled = afterOffset + 2;
  const afterPosition = text.indexOf(' ', afterSettled + 1);
  const afterDigest = text.indexOf(' ', afterPosition + 1);
  return {
    offset: Number(text.slice(era.length, afterOffset)),
    settled: text[afterOffset + 1] === '1',
    position: text.slice(afterSettled + 1, afterPosition) as Position,
    digest: text.slice(afterPosition + 1, afterDigest),
    fingerprint: text.slice(afterDigest + 1),
  };
}

async function answered<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw new SyncError('redis.unavailable', `Redis: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
