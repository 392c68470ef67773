import { z } from 'zod';
import { durationMs } from '../../core/config/units.ts';
import { type PolledTableOptions, polledTableOptions, tableOptionsProblem } from '../tables/table-options.ts';

export const firebirdTableOptions = z.strictObject({
  ...polledTableOptions.shape,
  mode: z
    .enum(['compare', 'timestamp', 'changelog'])
    .default('compare')
    .describe(
      '`compare` holds all rows against what they were; `timestamp` asks for rows whose `watermark` has risen, and now and then for the keys there are; `changelog` hears of changes within moments, from triggers that `syncline firebird install` makes.',
    ),
  pollEvery: durationMs({ min: 100, max: 3_600_000 })
    .prefault('5s')
    .describe('For `changelog`: how often the log is looked into where no event has called.'),
});

export type FirebirdTableOptions = z.output<typeof firebirdTableOptions>;

export function firebirdOptionsProblem(
  options: FirebirdTableOptions,
): { readonly path: string; readonly message: string } | undefined {
  if (options.mode !== 'changelog') return tableOptionsProblem(asPolled(options));
  if (options.watermark !== undefined)
    return { path: 'watermark', message: '`mode: changelog` needs no watermark: leave it out' };
  if (options.cron !== undefined || options.every !== undefined) {
    const path = options.cron === undefined ? 'every' : 'cron';
    return { path, message: '`mode: changelog` is told of changes: leave the schedule out, or say `pollEvery`' };
  }
  return undefined;
}

/** What the polling engine knows of them. */
export function asPolled({ pollEvery: _pollEvery, ...options }: FirebirdTableOptions): PolledTableOptions {
  return { ...options, mode: options.mode === 'timestamp' ? 'timestamp' : 'compare' };
}
