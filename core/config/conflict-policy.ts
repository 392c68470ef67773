import { z } from 'zod';
import { nameSchema } from './names.ts';
import { durationMs } from './units.ts';

export const simpleStrategies = ['priority', 'source_wins', 'target_wins', 'newest_wins', 'manual'] as const;
export const mergeFunctions = ['union', 'min', 'max', 'counter'] as const;
export const webhookFallbacks = ['priority', 'source_wins', 'target_wins', 'newest_wins', 'manual'] as const;

const webhookSchema = z.strictObject({
  strategy: z.literal('webhook'),
  url: z.url({ protocol: /^https?$/, error: 'expected an address that begins with http:// or https://' }),
  secret: z.string().min(1).describe('Signs the question, so that the one who answers knows that it is ours.'),
  timeoutMs: durationMs({ min: 100, max: 600_000 }).prefault('10s').describe('How long one question waits for its answer.'),
  retries: z.int().min(0).max(100).default(3).describe('How often it is asked again.'),
  fallback: z.enum(webhookFallbacks).default('manual').describe('What decides when no usable answer comes.'),
});

const fieldPolicySchema = z
  .union(
    [
      z.enum(simpleStrategies),
      z.strictObject({ strategy: z.enum(simpleStrategies) }).transform(({ strategy }) => strategy),
      z.strictObject({ merge: z.enum(mergeFunctions) }),
      webhookSchema,
    ],
    {
      error: `expected one of ${simpleStrategies.join(', ')}; or { merge: ${mergeFunctions.join(' | ')} }; or { strategy: webhook, url, secret }`,
    },
  )
  .describe('What decides where sources changed the same field to different values without knowing of each other.');

export const conflictRulesSchema = z
  .strictObject({
    default: fieldPolicySchema
      .optional()
      .describe('For fields without a rule: `priority` where a ranking is given, else `manual`.'),
    ranking: z
      .array(nameSchema)
      .min(1)
      .optional()
      .describe('Sources, the most trusted first. One that is not listed comes last.'),
    source: nameSchema.optional().describe('The master, for `source_wins` and `target_wins`.'),
    target: nameSchema.optional().describe('The slave, for `source_wins` and `target_wins`.'),
    fields: z.record(z.string().min(1), fieldPolicySchema).default({}).describe('Rules for single fields.'),
    deletions: z
      .enum(['propagate', 'when_all_gone'])
      .default('propagate')
      .describe('Whether a deletion at one source deletes the entity, or only the last one does.'),
    deleteConflict: z
      .enum(['update_wins', 'delete_wins', 'newest_wins', 'priority', 'manual'])
      .default('update_wins')
      .describe('What holds when one source deletes what another changes meanwhile.'),
  })
  .describe('How conflicts of this kind of entity are settled.');

export const conflictsSchema = z.record(nameSchema, conflictRulesSchema);

export type ConflictRules = z.output<typeof conflictRulesSchema>;
export type FieldPolicy = z.output<typeof fieldPolicySchema>;
