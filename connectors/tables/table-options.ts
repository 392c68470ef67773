import { z } from 'zod';
import { durationMs } from '../../core/config/units.ts';
import { cronProblem } from './schedule.ts';

const columnName = z.string().min(1).max(128);

/** Of a connection that is given up when it does not answer. */
export const questionTimeout = durationMs({ min: 1_000, max: 3_600_000 })
  .prefault('60s')
  .describe('How long one question may take. Then the connection is given up and opened anew.');

/** What a connector of tables asks of each kind of entity, beside what every source has. */
export const polledTableOptions = z.strictObject({
  table: z
    .string()
    .regex(/^[^.]+(\.[^.]+)?$/, 'a table is a name, or schema.name')
    .optional()
    .describe('The table or view, with its schema where it is not the default one; without it the name of the kind.'),
  mode: z
    .enum(['compare', 'timestamp'])
    .default('compare')
    .describe(
      '`compare` holds all rows against what they were; `timestamp` asks for rows whose `watermark` has risen, and now and then for the keys there are.',
    ),
  columns: z.array(columnName).min(1).max(1_000).optional().describe('The columns that are read; without it all of them.'),
  watermark: columnName.optional().describe('For `timestamp`: the column that rises whenever a row is changed.'),
  every: durationMs({ min: 100, max: 31 * 86_400_000 })
    .optional()
    .describe('How often the table is looked at; without it `polling.intervalMs`.'),
  cron: z
    .string()
    .superRefine((text, context) => {
      const message = cronProblem(text);
      if (message !== null) context.addIssue({ code: 'custom', message });
    })
    .optional()
    .describe('When the table is looked at, as a cron pattern of five or six fields, instead of `every`.'),
  timeZone: z.string().min(1).optional().describe('The zone `cron` is meant in, `Europe/Madrid`; without it UTC.'),
  overlap: durationMs({ min: 0, max: 86_400_000 })
    .prefault('10s')
    .describe(
      'For `timestamp`: how late a row may appear with an earlier watermark, or as many where the watermark is a number.',
    ),
  compareKeysEvery: durationMs({ min: 1_000, max: 31 * 86_400_000 })
    .prefault('1h')
    .describe('For `timestamp`: how often the keys are compared, which finds what was deleted.'),
  onSchemaChange: z
    .enum(['pause', 'adapt'])
    .default('pause')
    .describe(
      'What happens when columns were added, dropped, renamed or retyped: wait for somebody to look, or read everything again and go on.',
    ),
});

export type PolledTableOptions = z.output<typeof polledTableOptions>;

/** What one option cannot know of another. */
export function tableOptionsProblem(
  options: PolledTableOptions,
): { readonly path: string; readonly message: string } | undefined {
  if (options.mode === 'timestamp' && options.watermark === undefined)
    return { path: 'watermark', message: '`mode: timestamp` needs the column that rises with every change' };
  if (options.mode === 'compare' && options.watermark !== undefined)
    return { path: 'watermark', message: '`mode: compare` needs no watermark: say `mode: timestamp`, or leave it out' };
  if (options.cron !== undefined && options.every !== undefined)
    return { path: 'every', message: '`every` and `cron` contradict each other' };
  return undefined;
}
