import type { Clock } from '../../core/ports/clock.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import type { SourceEntity } from '../declaration.ts';
import { createPolledSource, type TableSource } from '../tables/polled-source.ts';
import { TableSystem } from '../tables/table-system.ts';
import { createLogicalSource } from './logical-source.ts';
import { PostgresTableReader } from './postgres-table-reader.ts';
import type { PostgresTableOptions } from './source-options.ts';

export interface PostgresSourceOptions {
  readonly source: string;
  readonly url: string;
  /** Where `url` is not the server itself. */
  readonly directUrl?: string | undefined;
  readonly poolMax: number;
  readonly timeoutMs: number;
  readonly slot?: string | undefined;
  readonly publication?: string | undefined;
  readonly keepLogFor: number;
  readonly entities: readonly SourceEntity<PostgresTableOptions>[];
  readonly polling: { readonly intervalMs: number; readonly batchRecordsMax: number };
  readonly clock: Clock;
}

/** Each table in its own mode: those that are read from the log share a slot. */
export function createPostgresSource(options: PostgresSourceOptions): SourceConnector {
  const { source, url, directUrl = url, poolMax, timeoutMs, entities, polling, clock } = options;
  const applicationName = `syncline-source-${source}`;
  const logged = entities.filter(({ options: { mode } }) => mode === 'logical');
  const polled = entities.flatMap((entity) => {
    const { mode } = entity.options;
    return mode === 'logical' ? [] : [{ ...entity, options: { ...entity.options, mode } }];
  });
  const parts: TableSource[] = [];
  if (polled.length > 0) {
    const reader = new PostgresTableReader({ url, connectionsMax: poolMax, timeoutMs, applicationName });
    parts.push(createPolledSource({ tables: polled, reader, polling, clock }));
  }
  if (logged.length > 0) {
    parts.push(
      createLogicalSource({
        source,
        database: { url: directUrl, connectionsMax: poolMax, timeoutMs, applicationName },
        slot: options.slot,
        publication: options.publication,
        holdMs: options.keepLogFor,
        tables: logged.map(({ kind, key, occurredAt, options: { table = kind, columns, onSchemaChange } }) => ({
          kind,
          key,
          occurredAt,
          table,
          columns,
          onSchemaChange,
        })),
        batchRecordsMax: polling.batchRecordsMax,
        clock,
      }),
    );
  }
  return {
    streams: parts.flatMap(({ streams }) => streams),
    reader: parts.reduce((all, { reader }) => all.with(reader), new TableSystem(new Map())),
    close: async () => {
      await Promise.all(parts.map((part) => part.close()));
    },
  };
}
