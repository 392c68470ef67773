import { join, relative } from 'node:path';
import type { RuntimeFile } from './runtime-file.ts';
import type { StartPlan } from './start-plan.ts';
import type { TryIt } from './try-it.ts';

type Shown = Pick<StartPlan, 'dataFolder' | 'isDefaultFolder' | 'tryIt'>;

export function showWhereToLook(runtime: RuntimeFile, { dataFolder, isDefaultFolder, tryIt }: Shown, tookMs: number): void {
  const here = isDefaultFolder ? '' : ` -d ${shown(dataFolder)}`;
  process.stdout.write(
    [
      '',
      `Syncline is up (${(tookMs / 1_000).toFixed(1)} s)`,
      `  API and docs   ${runtime.api}/docs`,
      `  sync state     curl -H "Authorization: Bearer $(cat ${shown(runtime.keyFile)})" '${runtime.api}/api/sync-state?limit=3'`,
      `  try it         ${commandOf(tryIt, runtime, here)}`,
      `  status         npx syncline status${here}`,
      `  metrics        ${runtime.api}/metrics`,
      `  Kafka          ${runtime.kafka}`,
      `  PostgreSQL     ${withoutPassword(runtime.postgres)}`,
      `  Redis          ${withoutPassword(runtime.redis)}`,
      `  admin key      ${shown(runtime.keyFile)}`,
      `  logs           ${shown(join(dataFolder, 'logs'))}`,
      '  Ctrl-C stops it; the data stays.',
      '',
    ].join('\n'),
  );
}

function commandOf(tryIt: TryIt, { api, keyFile }: RuntimeFile, here: string): string {
  if (tryIt.kind === 'look') return `npx syncline sources list${here}`;
  const key = tryIt.needsKey ? ` -H "Authorization: Bearer $(cat ${shown(keyFile)})"` : '';
  return `curl -X POST${key} ${quoted(api + tryIt.path)} -H 'content-type: application/json' -d ${inQuotes(tryIt.body)}`;
}

function quoted(address: string): string {
  return address.includes('?') ? inQuotes(address) : address;
}

function inQuotes(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** A path inside the working directory reads better without it. */
function shown(path: string): string {
  const inside = relative(process.cwd(), path);
  return inside.startsWith('..') ? path : inside;
}

function withoutPassword(address: string): string {
  return address.replace(/(:\/\/[^:/@]*):[^@]*@/, '$1:…@');
}
