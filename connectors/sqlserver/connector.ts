import { z } from 'zod';
import { durationMs } from '../../core/config/units.ts';
import { declareConnector } from '../declaration.ts';
import { pollingFrom } from './environment.ts';
import { sqlServerTableOptions, sqlServerTableProblem, withWatermark } from './sqlserver-options.ts';
import { placeFrom, placeOptions } from './sqlserver-place.ts';

const connectionsMax = 4;

export const sqlserverConnector = declareConnector({
  name: 'sqlserver',
  description: 'Reads tables and views of a SQL Server database, by a column that rises with every change or whole.',
  capabilities: { snapshot: true, changes: 'polled', deletes: true, target: false },
  source: {
    options: placeOptions.extend({
      every: durationMs({ min: 100, max: 31 * 86_400_000 })
        .optional()
        .describe(
          'How often tables are looked at that do not say it themselves; without it what SYNC_INTERVAL says, then `polling.intervalMs`.',
        ),
      batchRows: z
        .int()
        .min(1)
        .max(100_000)
        .optional()
        .describe('Most rows fetched in one question; without it what BATCH_SIZE says, then `polling.batchRecordsMax`.'),
      statisticsEvery: durationMs({ min: 1_000, max: 86_400_000 })
        .prefault('60s')
        .describe('How often rows per second, lag and queue length are logged.'),
    }),
    entity: sqlServerTableOptions,
    problemOf: sqlServerTableProblem,
    async create({ source, options, entities, polling, clock }) {
      const { MssqlQuery } = await import('./mssql-query.ts');
      const { SqlServerTableReader } = await import('./sqlserver-table-reader.ts');
      const { createPolledSource } = await import('../tables/polled-source.ts');
      const place = placeFrom(options, `syncline-source-${source}`);
      const polled = createPolledSource({
        tables: entities.map((entity) => ({ ...entity, options: withWatermark(entity.options) })),
        reader: new SqlServerTableReader(new MssqlQuery(place, connectionsMax), place),
        polling: pollingFrom(options, polling, process.env),
        clock,
      });
      return { ...polled, statisticsEveryMs: options.statisticsEvery };
    },
  },
});
