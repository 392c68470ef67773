import { z } from 'zod';

export const httpConnector = {
  name: 'http',
  description: 'Takes records over HTTP: POST /users, POST /events/{type}, DELETE /events/{type}/{key}.',
  options: z.strictObject({}),
  capabilities: { snapshot: false, changes: 'pushed', deletes: true, target: false },
} as const;
