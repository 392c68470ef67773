import { systemClock } from '../adapters/process/clock.ts';
import { createPolledSource, type TableSource } from '../connectors/tables/polled-source.ts';
import { type PolledTableOptions, polledTableOptions } from '../connectors/tables/table-options.ts';
import type { TableReader } from '../core/ports/table-reader.ts';
import type { SourceTable } from './contracts/source-connector.contract.ts';

const intervalMs = 100;

/** Tables that are looked at all the time. `parse` makes the connector's own options of what a configuration says. */
export function polledSource(
  reader: TableReader,
  options: object,
  tables: readonly SourceTable[],
  batchRowsMax: number,
  parse: (options: object) => PolledTableOptions = (given) => polledTableOptions.parse(given),
): TableSource {
  return createPolledSource({
    tables: tables.map(({ kind, key = [], onSchemaChange = 'pause' }) => ({
      kind,
      key,
      occurredAt: undefined,
      options: parse({ ...options, onSchemaChange, every: `${intervalMs}ms` }),
    })),
    reader,
    polling: { intervalMs, batchRecordsMax: batchRowsMax },
    clock: systemClock,
  });
}
