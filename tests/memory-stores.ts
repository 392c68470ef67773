import { randomUUID } from 'node:crypto';
import type { ApiKeyRow, ApiKeyStore, ApiRole } from '../core/ports/api-key-store.ts';
import type { IngestRequest, IngestStore } from '../core/ports/ingest-store.ts';

/** Models of two stores, for tests of what stands before them. */
export function memoryKeyStore(): ApiKeyStore {
  const rows: (ApiKeyRow & { keyHash: string })[] = [];
  const add = (name: string, role: ApiRole, keyHash: string) => {
    const row = { id: randomUUID(), name, role, createdAt: new Date(0).toISOString(), revokedAt: null, keyHash };
    rows.push(row);
    return row;
  };
  const inForce = () => rows.filter((row) => row.revokedAt === null);
  return {
    findByHash: async (keyHash) => inForce().find((row) => row.keyHash === keyHash) ?? null,
    list: async () => rows.map(({ keyHash: _keyHash, ...row }) => row),
    create: async (name, role, keyHash) => add(name, role, keyHash),
    createFirst: async (name, keyHash) => (inForce().length > 0 ? null : add(name, 'admin', keyHash)),
    async revoke(id) {
      const at = rows.findIndex((row) => row.id === id && row.revokedAt === null);
      if (at >= 0) rows[at] = { ...rows[at]!, revokedAt: new Date(0).toISOString() };
      return at >= 0;
    },
  };
}

export function memoryIngestStore(): IngestStore & { readonly requests: Map<string, IngestRequest> } {
  const requests = new Map<string, IngestRequest>();
  const idOf = (claim: { scope: string; idempotencyKey: string }) => `${claim.scope}\0${claim.idempotencyKey}`;
  const clock = { nowUs: 0, throughUs: 0 };
  return {
    requests,
    async reserve({ atLeastUs, drawnUs, aheadUs }) {
      const reservedThroughUs = clock.throughUs;
      clock.nowUs = Math.max(Date.now() * 1_000, clock.nowUs, atLeastUs ?? 0);
      clock.throughUs = Math.max(clock.throughUs, clock.nowUs + aheadUs, drawnUs);
      return { nowUs: clock.nowUs, reservedThroughUs };
    },
    async claim(claims) {
      return claims.map((claim) => {
        const stored = requests.get(idOf(claim)) ?? { ...claim, accepted: false };
        requests.set(idOf(claim), stored);
        return stored;
      });
    },
    async markAccepted(accepted) {
      for (const claim of accepted) {
        const stored = requests.get(idOf(claim));
        if (stored !== undefined) requests.set(idOf(claim), { ...stored, accepted: true });
      }
    },
    forget: async () => 0,
  };
}
