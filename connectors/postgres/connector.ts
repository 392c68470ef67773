import { postgresTarget } from '../../core/config/targets.ts';
import { declareConnector } from '../declaration.ts';
import { declaredTables } from '../tables/table-declaration.ts';
import { postgresSourceOptions, postgresTableOptions, postgresTableProblem } from './source-options.ts';

export const postgresConnector = declareConnector({
  name: 'postgres',
  description: 'Reads tables and views of a PostgreSQL database, and writes resolved records to its tables.',
  capabilities: { snapshot: true, changes: 'polled', deletes: true, target: true },
  source: {
    options: postgresSourceOptions,
    entity: postgresTableOptions,
    problemOf: postgresTableProblem,
    async create({ options, ...context }) {
      const { createPostgresSource } = await import('./postgres-source.ts');
      return createPostgresSource({ ...options, ...context });
    },
  },
  target: {
    options: postgresTarget.options,
    entity: postgresTarget.entity,
    async create({ target, options: { url, poolMax }, entities, timeoutMs }) {
      const { PostgresTarget } = await import('./postgres-target.ts');
      return new PostgresTarget({
        url,
        connectionsMax: poolMax,
        timeoutMs,
        tables: declaredTables(entities),
        applicationName: `syncline-target-${target}`,
      });
    },
  },
});
