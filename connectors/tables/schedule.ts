import { Cron } from 'croner';

/** When a table is looked at. */
export type Schedule =
  | { readonly kind: 'every'; readonly intervalMs: number }
  | { readonly kind: 'cron'; readonly pattern: string; readonly timeZone: string | undefined };

/** When it is due after it was begun last; at once where it never was. Times that were missed are not made up for. */
export function dueAtMs(schedule: Schedule, begunAtMs: number | null): number {
  if (begunAtMs === null) return 0;
  if (schedule.kind === 'every') return begunAtMs + schedule.intervalMs;
  return cronOf(schedule.pattern, schedule.timeZone).nextRun(new Date(begunAtMs))?.getTime() ?? Number.MAX_SAFE_INTEGER;
}

/** What is wrong with a pattern; null where nothing is. */
export function cronProblem(pattern: string): string | null {
  try {
    cronOf(pattern, undefined);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function cronOf(pattern: string, timeZone: string | undefined): Cron {
  return new Cron(pattern, { paused: true, timezone: timeZone ?? 'UTC' });
}
