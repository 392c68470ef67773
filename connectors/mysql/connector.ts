import { z } from 'zod';
import { declareConnector } from '../declaration.ts';
import { declaredTables } from '../tables/table-declaration.ts';
import { polledTableOptions, tableOptionsProblem } from '../tables/table-options.ts';
import { placeFrom, placeOptions, targetPlaceOptions } from './mysql-place.ts';

const connectionsMax = 4;

export const mysqlConnector = declareConnector({
  name: 'mysql',
  description: 'Reads tables and views of a MySQL or MariaDB database, and writes resolved records to its tables.',
  capabilities: { snapshot: true, changes: 'polled', deletes: true, target: true },
  source: {
    options: placeOptions,
    entity: polledTableOptions,
    problemOf: tableOptionsProblem,
    async create({ source, options, entities, polling, clock }) {
      const { MysqlPool } = await import('./mysql-pool.ts');
      const { MysqlTableReader } = await import('./mysql-table-reader.ts');
      const { createPolledSource } = await import('../tables/polled-source.ts');
      const pool = new MysqlPool(placeFrom(options, `syncline-source-${source}`), connectionsMax);
      return createPolledSource({ tables: entities, reader: new MysqlTableReader(pool), polling, clock });
    },
  },
  target: {
    options: targetPlaceOptions,
    entity: z.strictObject({
      table: z
        .string()
        .regex(/^[^.]+(\.[^.]+)?$/, 'a table is a name, or database.name')
        .optional()
        .describe('The table, with its database where it is not that of `url`; without it the name of the kind.'),
    }),
    async create({ target, options, entities, timeoutMs }) {
      const { MysqlPool } = await import('./mysql-pool.ts');
      const { MysqlTarget } = await import('./mysql-target.ts');
      const place = placeFrom({ ...options, timeout: timeoutMs }, `syncline-target-${target}`);
      return new MysqlTarget(new MysqlPool(place, connectionsMax), declaredTables(entities));
    },
  },
});
