import type { ChangeEvent } from '../core/change-event.ts';
import { rawHeaders } from '../core/change-event.ts';
import type { EntityPlan } from '../core/entity-plan.ts';
import type { LogRecord } from '../core/ports/event-log.ts';
import type { Glance, RecordCodec } from '../core/ports/record-codec.ts';
import type { CacheEntry } from '../core/ports/state-cache.ts';
import { isAfter } from '../core/position.ts';
import type { Announcement } from './diff.ts';

/** A raw record that was looked at from outside only. */
export interface Glimpse {
  readonly record: LogRecord;
  readonly glance: Glance | undefined;
}

export interface Sorted {
  readonly rest: readonly Glimpse[];
  /** Raw offsets of what repeats. */
  readonly repeats: readonly number[];
}

export function glimpseOf(codec: RecordCodec<ChangeEvent>, record: LogRecord): Glimpse {
  const { headers, value } = record;
  const ordinary = headers[rawHeaders.control] === undefined && headers[rawHeaders.replayOf] === undefined;
  return { record, glance: ordinary && value !== null ? codec.glance?.(value) : undefined };
}

/**
 * Takes out what repeats a stored state byte for byte: most of what comes in, known before it is parsed or mapped. It
 * would be stopped by `diff` for the same reasons and leaves no trace there either: equal data, a settled entry of an
 * earlier offset, a newer position. Once a key has something else in the batch, all that follows of it goes the long way.
 */
export function takeRepeats(
  plan: EntityPlan,
  glimpses: readonly Glimpse[],
  cached: ReadonlyMap<string, CacheEntry>,
  announced: Announcement,
): Sorted {
  if (!plan.ordered) return { rest: glimpses, repeats: [] };
  const rest: Glimpse[] = [];
  const repeats: number[] = [];
  const opened = new Set<string>();
  for (const glimpse of glimpses) {
    const { key, offset } = glimpse.record;
    if (key !== null && offset >= announced.through && !opened.has(key) && repeatsEntry(plan, glimpse, cached.get(key))) {
      repeats.push(offset);
      continue;
    }
    rest.push(glimpse);
    if (key !== null) opened.add(key);
  }
  return { rest, repeats };
}

function repeatsEntry(plan: EntityPlan, { record, glance }: Glimpse, entry: CacheEntry | undefined): boolean {
  if (glance === undefined || entry === undefined || glance.digest !== entry.digest) return false;
  if (!entry.settled || entry.offset >= record.offset) return false;
  const event = glance.envelope();
  return (
    event !== undefined &&
    event.source === plan.source &&
    event.kind === plan.kind &&
    event.key === record.key &&
    // A deletion's data does not count.
    event.operation !== 'delete' &&
    isAfter(event.position, entry.position)
  );
}
