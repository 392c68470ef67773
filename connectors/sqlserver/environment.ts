import { z } from 'zod';
import { durationMs } from '../../core/config/units.ts';
import { SyncError } from '../../core/errors.ts';

interface Polling {
  readonly intervalMs: number;
  readonly batchRecordsMax: number;
}

const interval = durationMs({ min: 100, max: 31 * 86_400_000 });
const batch = z.coerce.number().pipe(z.int().min(1).max(100_000));

/** What the source says itself, then SYNC_INTERVAL and BATCH_SIZE, then what holds for all sources. */
export function pollingFrom(
  { every, batchRows }: { readonly every?: number | undefined; readonly batchRows?: number | undefined },
  polling: Polling,
  environment: Readonly<Record<string, string | undefined>>,
): Polling {
  return {
    intervalMs: every ?? variable('SYNC_INTERVAL', interval, 'milliseconds, or a time such as 30s') ?? polling.intervalMs,
    batchRecordsMax: batchRows ?? variable('BATCH_SIZE', batch, 'a number of rows') ?? polling.batchRecordsMax,
  };

  function variable(name: string, schema: z.ZodType<number>, expected: string): number | undefined {
    const text = environment[name]?.trim();
    if (text === undefined || text === '') return undefined;
    const parsed = schema.safeParse(/^\d+$/.test(text) ? Number(text) : text);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new SyncError('config.invalid', `the environment variable ${name} is "${text}": ${expected} (${issue!.message})`, {
      details: { variable: name },
    });
  }
}
