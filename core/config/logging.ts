import { z } from 'zod';
import { byteSize } from './units.ts';

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
  files: z
    .strictObject({
      bytesMax: byteSize({ min: 10_000, max: 1_000_000_000 })
        .prefault('10MB')
        .describe('A role’s log file that has reached this size is set aside and a new one begun.'),
      filesKept: z.int().min(0).max(100).default(4).describe('How many files set aside are kept of each role.'),
    })
    .prefault({})
    .describe('The logs `npm start` keeps in DATA-DIR/logs: each role takes at most bytesMax * (filesKept + 1).'),
});

export type LoggingConfig = Readonly<z.output<typeof loggingSchema>>;
