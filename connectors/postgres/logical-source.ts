import { SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { TableSource } from '../tables/polled-source.ts';
import { TableSystem } from '../tables/table-system.ts';
import { LogicalDatabase } from './logical-database.ts';
import { LogicalGround } from './logical-ground.ts';
import { defaultSlotName } from './logical-slot.ts';
import { LogicalStream } from './logical-stream.ts';
import type { PostgresPlace } from './postgres-pool.ts';
import { PostgresTableReader } from './postgres-table-reader.ts';

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
  readonly database: PostgresPlace;
  readonly slot?: string | undefined;
  readonly publication?: string | undefined;
  readonly holdMs: number;
  readonly tables: readonly LogicalTable[];
  readonly batchRecordsMax: number;
  readonly clock: Clock;
}

/** A stream for each table, all of them fed by one slot. */
export function createLogicalSource(options: LogicalSourceOptions): TableSource {
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
  // Connects when it is asked what the tables hold, which streams never do.
  const reader = new PostgresTableReader(options.database);
  const streams = tables.map(({ kind, key, occurredAt, table, columns, onSchemaChange }) => ({
    kind,
    occurredAt,
    selection: { table, key, columns, watermark: null },
    onSchemaChange,
    batchRowsMax: batchRecordsMax,
    ground,
  }));
  return {
    streams: streams.map((stream) => new LogicalStream(stream)),
    reader: new TableSystem(new Map(streams.map(({ kind, selection }) => [kind, { reader, selection }]))),
    close: async () => {
      await Promise.all([ground.close(), reader.close()]);
    },
  };
}
