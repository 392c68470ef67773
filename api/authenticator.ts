import { SyncError } from '../core/errors.ts';
import type { ApiKeyStore } from '../core/ports/api-key-store.ts';
import type { Clock } from '../core/ports/clock.ts';
import { apiKeyHash, isApiKey, isSameHash } from './api-key.ts';
import { anonymous, type Caller } from './caller.ts';

export interface Authenticator {
  /** Throws where a key is given and is none of ours. */
  callerOf(authorization: string | undefined): Promise<Caller>;
  /** What was revoked is not known any more, here at once and elsewhere after `knownMs`. */
  forget(): void;
}

/** How long an answer of the store holds: a revoked key lives that much longer in other processes. */
const knownMs = 5_000;
const knownMax = 1_000;

interface Known {
  readonly caller: Caller | null;
  readonly untilMs: number;
}

export function createAuthenticator(store: ApiKeyStore, clock: Clock): Authenticator {
  const known = new Map<string, Known>();
  return {
    async callerOf(authorization) {
      if (authorization === undefined) return anonymous;
      const key = /^Bearer ([!-~]{1,200})$/i.exec(authorization)?.[1];
      if (key === undefined || !isApiKey(key)) throw unauthenticated('the Authorization header holds no API key');
      const keyHash = apiKeyHash(key);
      const remembered = known.get(keyHash);
      const caller = remembered !== undefined && remembered.untilMs > clock.nowMs() ? remembered.caller : await lookUp(keyHash);
      if (caller === null) throw unauthenticated('the API key is unknown or was revoked');
      return caller;
    },
    forget: () => known.clear(),
  };

  async function lookUp(keyHash: string): Promise<Caller | null> {
    const row = await store.findByHash(keyHash);
    const found = row !== null && isSameHash(row.keyHash, keyHash);
    const caller: Caller | null = found ? { kind: 'key', id: row.id, name: row.name, role: row.role } : null;
    // Whoever tries keys must not fill our memory: the oldest go.
    if (known.size >= knownMax) known.delete(known.keys().next().value!);
    known.set(keyHash, { caller, untilMs: clock.nowMs() + knownMs });
    return caller;
  }
}

export function unauthenticated(message: string): SyncError {
  return new SyncError('request.unauthenticated', message);
}
