import { z } from 'zod';

const levelSchema = z.enum(['error', 'warn', 'info', 'debug']);

export const loggingSchema = z.strictObject({
  level: levelSchema.default('info').describe('Lines below this level are left out.'),
  format: z
    .enum(['json', 'pretty'])
    .default('json')
    .describe('`json`: one object a line; `pretty`: for reading along in a terminal.'),
  destination: z.enum(['stderr', 'stdout']).default('stderr').describe('Where lines go.'),
  roles: z
    .record(z.string().regex(/^[a-z][a-z-]*$/, 'a role is lower-case letters and -'), levelSchema)
    .default({})
    .describe('Another level for single roles: api, processor, sync-manager…'),
});

export type LoggingConfig = Readonly<z.output<typeof loggingSchema>>;
