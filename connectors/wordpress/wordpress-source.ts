import type { Clock } from '../../core/ports/clock.ts';
import type { SourceConnector, SourceStream } from '../../core/ports/source-connector.ts';
import type { Schedule } from '../tables/schedule.ts';
import { TableStream } from '../tables/table-stream.ts';
import type { PostSourceOptions } from './post-options.ts';
import { postPlanOf } from './post-plan.ts';
import { modifiedColumn, type PostsPlace, PostsReader } from './posts-reader.ts';

export interface WordpressSourceOptions {
  readonly place: PostsPlace;
  readonly entities: readonly {
    readonly kind: string;
    readonly key: readonly string[];
    readonly occurredAt: string | undefined;
    readonly options: PostSourceOptions;
  }[];
  readonly polling: { readonly intervalMs: number; readonly batchRecordsMax: number };
  readonly clock: Clock;
}

/** A stream for each kind of post. */
export function createWordpressSource({ place, entities, polling, clock }: WordpressSourceOptions): SourceConnector {
  const streams = entities.map(({ kind, key, occurredAt = modifiedColumn, options }): SourceStream => {
    const plan = postPlanOf(kind, key, options, options.statuses);
    // A reader remembers what it has compared, which holds for one reading.
    const stream = () =>
      new TableStream({
        kind,
        occurredAt,
        selection: { table: `${place.prefix}posts`, key: [plan.keyField], columns: undefined, watermark: modifiedColumn },
        mode: options.mode,
        schedule: scheduleOf(options, polling.intervalMs),
        overlapMs: options.overlap,
        compareKeysEveryMs: options.compareEvery,
        compares: 'rows',
        onSchemaChange: options.onSchemaChange,
        batchRowsMax: polling.batchRecordsMax,
        reader: new PostsReader(place, plan),
        clock,
      });
    return { name: kind, kinds: [kind], read: (from, signal) => stream().read(from, signal), check: () => stream().check() };
  });
  return { streams, close: () => place.pool.close() };
}

function scheduleOf({ every, cron, timeZone }: PostSourceOptions, intervalMs: number): Schedule {
  return cron === undefined ? { kind: 'every', intervalMs: every ?? intervalMs } : { kind: 'cron', pattern: cron, timeZone };
}
