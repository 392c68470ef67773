import { z } from 'zod';
import { declareConnector } from '../declaration.ts';
import { declaredTables } from '../tables/table-declaration.ts';
import { firebirdOptionsProblem, firebirdTableOptions } from './firebird-options.ts';
import { placeFrom, placeOptions } from './firebird-place.ts';

const targetConnections = 4;

export const firebirdConnector = declareConnector({
  name: 'firebird',
  description: 'Reads tables and views of a Firebird database from version 3 on, and writes resolved records to its tables.',
  capabilities: { snapshot: true, changes: 'polled', deletes: true, target: true },
  source: {
    options: placeOptions,
    entity: firebirdTableOptions,
    problemOf: firebirdOptionsProblem,
    async create({ options, entities, polling, clock }) {
      const { createFirebirdSource } = await import('./firebird-source.ts');
      return createFirebirdSource({ place: placeFrom(options), entities, polling, clock });
    },
  },
  target: {
    options: placeOptions.omit({ timeout: true }),
    entity: z.strictObject({
      table: z
        .string()
        .min(1)
        .max(63)
        .optional()
        .describe('The table, spelled as the database keeps it; without it the name of the kind.'),
    }),
    async create({ options, entities, timeoutMs }) {
      const { FirebirdTarget } = await import('./firebird-target.ts');
      return new FirebirdTarget({
        place: placeFrom({ ...options, timeout: timeoutMs }),
        connectionsMax: targetConnections,
        tables: declaredTables(entities),
      });
    },
  },
});
