import type { Clock } from '../../core/ports/clock.ts';
import type { SourceConnector, SourceStream } from '../../core/ports/source-connector.ts';
import type { Schedule } from '../tables/schedule.ts';
import { TableStream } from '../tables/table-stream.ts';
import { TableSystem } from '../tables/table-system.ts';
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
  const plans = new Map(entities.map(({ kind, key, options }) => [kind, postPlanOf(kind, key, options, options.statuses)]));
  const selectionOf = (keyField: string) => ({
    table: `${place.prefix}posts`,
    key: [keyField],
    columns: undefined,
    watermark: modifiedColumn,
  });
  const streams = entities.map(({ kind, occurredAt = modifiedColumn, options }): SourceStream => {
    const plan = plans.get(kind)!;
    // A reader remembers what it has compared, which holds for one reading.
    const stream = () =>
      new TableStream({
        kind,
        occurredAt,
        selection: selectionOf(plan.keyField),
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
  const tables = [...plans].map(
    ([kind, plan]) => [kind, { reader: new PostsReader(place, plan), selection: selectionOf(plan.keyField) }] as const,
  );
  return { streams, reader: new TableSystem(new Map(tables)), close: () => place.pool.close() };
}

function scheduleOf({ every, cron, timeZone }: PostSourceOptions, intervalMs: number): Schedule {
  return cron === undefined ? { kind: 'every', intervalMs: every ?? intervalMs } : { kind: 'cron', pattern: cron, timeZone };
}
