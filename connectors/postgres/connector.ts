import { z } from 'zod';

export const postgresConnector = {
  name: 'postgres',
  description: 'Writes resolved records to tables of a PostgreSQL database.',
  options: z.strictObject({}),
  capabilities: { snapshot: false, changes: 'none', deletes: false, target: true },
} as const;
