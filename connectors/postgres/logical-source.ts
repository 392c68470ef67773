import { SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { LogicalDatabase, type LogicalDatabaseOptions } from './logical-database.ts';
import { LogicalGround } from './logical-ground.ts';
import { defaultSlotName } from './logical-slot.ts';
import { LogicalStream } from './logical-stream.ts';

/** One kind of entity whose table is read from the log. */
export interface LogicalTable {
  readonly kind: string;
  /** Empty: the table's primary key. */
  readonly key: readonly string[];
  readonly occurredAt: string | undefined;
  /** `name`, or `schema.name`. */
  readonly table: string;
  readonly columns: readonly string[] | undefined;
  readonly onSchemaChange: 'pause' | 'adapt';
}

export interface LogicalSourceOptions {
  readonly source: string;
  readonly database: LogicalDatabaseOptions;
  readonly slot?: string | undefined;
  readonly publication?: string | undefined;
  readonly holdMs: number;
  readonly tables: readonly LogicalTable[];
  readonly batchRecordsMax: number;
  readonly clock: Clock;
}

/** A stream for each table, all of them fed by one slot. */
export function createLogicalSource(options: LogicalSourceOptions): SourceConnector {
  const { source, tables, clock, holdMs, batchRecordsMax } = options;
  const names = new Set<string>();
  for (const { kind, table } of tables) {
    if (names.has(table)) throw new SyncError('config.invalid', `${kind}: the table ${table} is already read for another kind`);
    names.add(table);
  }
  const ground = new LogicalGround({
    database: new LogicalDatabase(options.database),
    slot: options.slot ?? defaultSlotName(source),
    publication: options.publication ?? defaultSlotName(source),
    kinds: tables.map(({ kind }) => kind),
    holdMs,
    clock,
  });
  return {
    streams: tables.map(
      ({ kind, key, occurredAt, table, columns, onSchemaChange }) =>
        new LogicalStream({
          kind,
          occurredAt,
          selection: { table, key, columns, watermark: null },
          onSchemaChange,
          batchRowsMax: batchRecordsMax,
          ground,
        }),
    ),
    close: () => ground.close(),
  };
}
