import { resolve } from 'node:path';
import type { EmbeddedAddresses } from './addresses.ts';
import { readRuntimeFile } from './runtime-file.ts';

/** Where the embedded stack of a running `npm start` listens; nothing when none runs. */
export function runningEmbedded(dataFolder: string): EmbeddedAddresses {
  const runtime = readRuntimeFile(resolve(dataFolder));
  if (runtime === null) return {};
  const { kafka, postgres, redis, registry } = runtime;
  return { kafka, postgres, redis, ...(registry === undefined ? {} : { registry }) };
}
