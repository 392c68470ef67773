import { z } from 'zod';
import { comparisonSchema } from '../comparison/comparison.ts';
import { nameSchema } from './names.ts';

export const differencesSchema = z
  .array(
    z.strictObject({
      left: nameSchema.describe('A source.'),
      right: nameSchema.describe('The source it is compared with.'),
      kinds: z
        .array(nameSchema)
        .min(1)
        .optional()
        .describe('The kinds of entity that are compared; without it every kind both sources have.'),
      compare: comparisonSchema
        .optional()
        .describe('What counts as a difference; without it every field both sources have and count as a change.'),
    }),
  )
  .default([]);
