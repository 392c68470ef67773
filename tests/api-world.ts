import express from 'express';
import { systemClock } from '../adapters/process/clock.ts';
import { apiKeyHash, mintApiKey } from '../api/api-key.ts';
import { type ApiDeps, createApi } from '../api/server.ts';
import { parseConfig } from '../core/config/config.ts';
import { memoryKeyStore } from './memory-stores.ts';

const roles = ['viewer', 'operator'] as const;
type AskingRole = (typeof roles)[number];

export interface ApiWorld {
  /** As `ann the viewer`, or `ann the operator` where nothing is said. */
  ask(
    method: string,
    path: string,
    body?: object | string,
    role?: AskingRole,
    // biome-ignore lint/suspicious/noExplicitAny: what is answered is what a test is about.
  ): Promise<{ readonly status: number; readonly text: string; readonly body: any }>;
  close(): Promise<void>;
}

/** So many questions as a test may ask. */
export const patientApi = { rateLimit: { perMinute: 100_000 } };

/** The API behind a real HTTP server, with what a test gives it; nobody may ask for the rest. */
export async function openApiWorld(deps: Partial<ApiDeps>): Promise<ApiWorld> {
  const keyStore = memoryKeyStore();
  const keys = new Map<AskingRole, string>();
  for (const role of roles) {
    keys.set(role, mintApiKey());
    await keyStore.create(`ann the ${role}`, role, apiKeyHash(keys.get(role)!));
  }
  const given: Partial<ApiDeps> = {
    config: parseConfig({ api: patientApi }),
    clock: systemClock,
    kinds: new Map(),
    keyStore,
    readinessChecks: [],
    about: { version: '1', profile: 'development', addresses: {}, keyFile: null },
    ingest: { router: express.Router(), documents: [] },
    ...deps,
  };
  const { url, close } = await createApi(given as ApiDeps).listen('127.0.0.1', 0);
  return {
    close,
    async ask(method, path, body, role = 'operator') {
      const headers = { authorization: `Bearer ${keys.get(role)}`, 'content-type': 'application/json' };
      const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
      const response = await fetch(url + path, { method, headers, ...sent });
      const text = await response.text();
      return { status: response.status, text, body: JSON.parse(text) };
    },
  };
}
