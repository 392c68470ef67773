import type { z } from 'zod';
import { type PolledTableOptions, polledTableOptions, tableOptionsProblem } from '../tables/table-options.ts';

/** The column that is taken where none is named. */
export const usualWatermark = 'ULTIMA_MODIFICACION';

const { mode, watermark } = polledTableOptions.shape;

/** What is asked of each kind of entity: as of any table that is polled, by a watermark unless something else is said. */
export const sqlServerTableOptions = polledTableOptions.extend({
  mode: mode
    .unwrap()
    .default('timestamp')
    .describe(
      '`timestamp` asks for rows whose `watermark` has risen, and now and then for the keys there are; `compare` holds all rows against what they were.',
    ),
  watermark: watermark.describe(
    `For \`timestamp\`: a time, a number or a \`rowversion\` that rises whenever a row is changed; without it \`${usualWatermark}\`.`,
  ),
});

type SqlServerTableOptions = z.output<typeof sqlServerTableOptions>;

export function withWatermark(options: SqlServerTableOptions): PolledTableOptions {
  return options.mode === 'timestamp' ? { ...options, watermark: options.watermark ?? usualWatermark } : options;
}

export function sqlServerTableProblem(options: SqlServerTableOptions): ReturnType<typeof tableOptionsProblem> {
  return tableOptionsProblem(withWatermark(options));
}
