import type { Clock } from '../../core/ports/clock.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import type { TableReader } from '../../core/ports/table-reader.ts';
import type { PolledTableOptions } from './table-options.ts';
import { TableStream, type TableStreamOptions } from './table-stream.ts';
import { TableSystem } from './table-system.ts';

/** One kind of entity that is a table. */
export interface PolledTable {
  readonly kind: string;
  /** Empty: the table's primary key. */
  readonly key: readonly string[];
  readonly occurredAt: string | undefined;
  readonly options: PolledTableOptions;
}

export interface PolledSourceOptions {
  readonly tables: readonly PolledTable[];
  /** Closed with the source. */
  readonly reader: TableReader;
  readonly polling: { readonly intervalMs: number; readonly batchRecordsMax: number };
  readonly clock: Clock;
}

/** A source whose tables can be asked what they hold. */
export interface TableSource extends SourceConnector {
  readonly reader: TableSystem;
}

/** A stream for each table: none waits for another. */
export function createPolledSource({ tables, reader, polling, clock }: PolledSourceOptions): TableSource {
  const streams = tables.map((table) => streamOptionsOf(table, polling));
  return {
    streams: streams.map((options) => new TableStream({ ...options, reader, clock })),
    reader: new TableSystem(new Map(streams.map(({ kind, selection }) => [kind, { reader, selection }]))),
    close: () => reader.close(),
  };
}

function streamOptionsOf(
  { kind, key, occurredAt, options }: PolledTable,
  polling: PolledSourceOptions['polling'],
): Omit<TableStreamOptions, 'reader' | 'clock'> {
  const { table = kind, columns, mode, every, cron, timeZone, overlap, compareKeysEvery, onSchemaChange } = options;
  const watermark = mode === 'timestamp' ? options.watermark! : null;
  return {
    kind,
    occurredAt,
    selection: { table, key, columns, watermark },
    mode,
    schedule:
      cron === undefined ? { kind: 'every', intervalMs: every ?? polling.intervalMs } : { kind: 'cron', pattern: cron, timeZone },
    overlapMs: overlap,
    compareKeysEveryMs: compareKeysEvery,
    onSchemaChange,
    batchRowsMax: polling.batchRecordsMax,
  };
}
