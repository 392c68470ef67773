import { z } from 'zod';
import { postgresAddress } from '../../core/config/address.ts';
import { durationMs } from '../../core/config/units.ts';
import { polledTableOptions, tableOptionsProblem } from '../tables/table-options.ts';

const objectName = z
  .string()
  .regex(/^[a-z0-9_]{1,50}$/, 'a name is at most 50 lower-case letters, digits and `_`')
  .optional();

export const postgresSourceOptions = z.strictObject({
  url: postgresAddress.describe('Where the database is.'),
  directUrl: postgresAddress.describe('For `mode: logical`, where `url` is a pooler: the server itself.').optional(),
  poolMax: z.int().min(1).max(100).default(4).describe('Connections one process opens at most.'),
  timeoutMs: durationMs({ min: 100, max: 3_600_000 }).prefault('60s').describe('How long one question may take.'),
  slot: objectName.describe('For `mode: logical`: the replication slot; without it `syncline_` and the name of the source.'),
  publication: objectName.describe('For `mode: logical`: the publication; without it `syncline_` and the name of the source.'),
  keepLogFor: durationMs({ min: 1_000, max: 31 * 86_400_000 })
    .prefault('10m')
    .describe(
      'For `mode: logical`: how long the server keeps its log for a table that is not being read, as one that was paused. It is read anew after that.',
    ),
});

export const postgresTableOptions = polledTableOptions.extend({
  mode: z
    .enum(['compare', 'timestamp', 'logical'])
    .default('compare')
    .describe(
      '`logical` reads the server’s log, to the transaction and at once; `compare` holds all rows against what they were; `timestamp` asks for rows whose `watermark` has risen, and now and then for the keys there are.',
    ),
});

export type PostgresTableOptions = z.output<typeof postgresTableOptions>;

/** What one option cannot know of another. */
export function postgresTableProblem(
  options: PostgresTableOptions,
): { readonly path: string; readonly message: string } | undefined {
  const { mode } = options;
  if (mode !== 'logical') return tableOptionsProblem({ ...options, mode });
  for (const path of ['watermark', 'every', 'cron'] as const)
    if (options[path] !== undefined)
      return { path, message: `\`mode: logical\` needs no \`${path}\`: changes come by themselves` };
  return undefined;
}
