import { join, relative } from 'node:path';
import type { RuntimeFile } from './runtime-file.ts';
import type { StartPlan } from './start-plan.ts';

export function showWhereToLook(runtime: RuntimeFile, { dataFolder, isDefaultFolder }: StartPlan, tookMs: number): void {
  process.stdout.write(
    [
      '',
      `Syncline is up (${(tookMs / 1_000).toFixed(1)} s)`,
      `  API and docs   ${runtime.api}/docs`,
      `  sync state     curl -H "Authorization: Bearer $(cat ${shown(runtime.keyFile)})" ${runtime.api}/api/sync-state?limit=3`,
      `  try it         curl -X POST ${runtime.api}/users -H 'content-type: application/json' -d '{"name":"Ada","email":"ada@example.com"}'`,
      `  status         npx syncline status${isDefaultFolder ? '' : ` -d ${shown(dataFolder)}`}`,
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

/** A path inside the working directory reads better without it. */
function shown(path: string): string {
  const inside = relative(process.cwd(), path);
  return inside.startsWith('..') ? path : inside;
}

function withoutPassword(address: string): string {
  return address.replace(/(:\/\/[^:/@]*):[^@]*@/, '$1:…@');
}
