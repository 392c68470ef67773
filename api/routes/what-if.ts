import { z } from 'zod';
import { conflictRulesSchema } from '../../core/config/conflict-policy.ts';
import { nameSchema } from '../../core/config/names.ts';
import { instantParameter, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';
import type { WhatIfDesk } from '../what-if-desk.ts';

const entitiesMax = 100_000;
const entitiesDefault = 10_000;
const namedMax = 1_000;
const examplesMax = 100;
const examplesDefault = 10;

const change = z.object({
  was: z.unknown().optional(),
  wouldBe: z.unknown().optional(),
  source: z.string().nullable(),
  eventId: z.string().nullable(),
  rule: z.string(),
});
const counts = z.record(z.string(), z.number().int());

export function whatIfRoutes(desk: WhatIfDesk): Route[] {
  return [
    declareRoute({
      method: 'post',
      path: '/api/what-if',
      role: 'operator',
      id: 'askWhatIf',
      tag: 'Entities',
      summary: 'Replays history through another conflict policy and says what would differ. Changes nothing.',
      description:
        'An entity that the history alone does not explain, because it depended on when something was written back, is counted as `uncertain`. ',
      body: z.strictObject({
        kind: nameSchema,
        policy: conflictRulesSchema.describe('As it stands under `conflicts` in the configuration.'),
        since: instantParameter('The policy holds for what came in at this time or later.').optional(),
        until: instantParameter('What came in before this time.').optional(),
        entityIds: z.array(textParameter(100, 'The id of an entity.')).min(1).max(namedMax).optional(),
        limit: z.int().min(1).max(entitiesMax).default(entitiesDefault).describe('Entities looked at.'),
        examples: z.int().min(0).max(examplesMax).default(examplesDefault).describe('Entities that are shown.'),
        after: textParameter(100, '`next` of the answer before.').optional(),
      }),
      answer: z.object({
        entities: z.number().int(),
        events: z.number().int(),
        differ: z.number().int(),
        uncertain: z.number().int(),
        byRule: counts.describe('Fields that would differ, by the rule that would decide them; `deleted` counts records.'),
        byField: counts,
        openConflicts: z.object({ was: z.number().int(), wouldBe: z.number().int() }),
        examples: z
          .array(
            z.object({
              entityId: z.string(),
              deleted: z.object({ was: z.boolean(), wouldBe: z.boolean() }).optional(),
              fields: z.record(z.string(), change),
            }),
          )
          .readonly(),
        uncertainExamples: z
          .array(z.object({ entityId: z.string(), fields: z.array(z.string()).readonly() }))
          .readonly()
          .describe('Entities that are uncertain, and the fields that the history does not explain.'),
        endedBy: z.enum(['time', 'limit']).nullable().describe('Why it ended before the last entity; null where it did not.'),
        next: z.string().nullable().describe('Goes into `after` to go on.'),
      }),
      handle: ({ body }) =>
        desk.answer({
          kind: body.kind,
          rules: body.policy,
          span: { since: body.since ?? null, until: body.until ?? null },
          entityIds: body.entityIds ?? null,
          limit: body.limit,
          examples: body.examples,
          after: body.after ?? null,
        }),
    }),
  ];
}
