import type { Clock } from '../../core/ports/clock.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { createPolledSource } from '../tables/polled-source.ts';
import { TableSystem } from '../tables/table-system.ts';
import { ChangelogStream } from './changelog-stream.ts';
import { asPolled, type FirebirdTableOptions } from './firebird-options.ts';
import type { FirebirdPlace } from './firebird-place.ts';
import { FirebirdTableReader } from './firebird-table-reader.ts';

export interface FirebirdSourceOptions {
  readonly place: FirebirdPlace;
  readonly entities: readonly {
    readonly kind: string;
    readonly key: readonly string[];
    readonly occurredAt: string | undefined;
    readonly options: FirebirdTableOptions;
  }[];
  readonly polling: { readonly intervalMs: number; readonly batchRecordsMax: number };
  readonly clock: Clock;
}

const readersMax = 4;

/** A stream for each table: those that are polled, and those whose triggers tell what changed. */
export function createFirebirdSource({ place, entities, polling, clock }: FirebirdSourceOptions): SourceConnector {
  const reader = new FirebirdTableReader(place, readersMax);
  const polled = createPolledSource({
    tables: entities
      .filter(({ options }) => options.mode !== 'changelog')
      .map(({ options, ...entity }) => ({ ...entity, options: asPolled(options) })),
    reader,
    polling,
    clock,
  });
  const told = entities
    .filter(({ options }) => options.mode === 'changelog')
    .map(({ kind, key, options: { table = kind, columns, onSchemaChange, pollEvery } }) => ({
      kind,
      place,
      reader,
      clock,
      onSchemaChange,
      selection: { table, key, columns, watermark: null },
      pollIntervalMs: pollEvery,
      batchRowsMax: polling.batchRecordsMax,
    }));
  const logged = new TableSystem(new Map(told.map(({ kind, selection }) => [kind, { reader, selection }])));
  return {
    streams: [...polled.streams, ...told.map((options) => new ChangelogStream(options))],
    reader: polled.reader.with(logged),
    close: () => polled.close(),
  };
}
