import { z } from 'zod';
import { conflictStatuses, conflictTypes } from '../../core/conflict/conflict.ts';
import type { JsonObject } from '../../core/json.ts';
import type { ReadStore } from '../../core/ports/read-store.ts';
import { signatureOf } from '../caller.ts';
import type { ConflictDesk, Ruling } from '../conflict-desk.ts';
import { answerOf, dataAnswer, instantAnswer, pageAnswer, pageParameters, pageRequestOf, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';
import type { SourceTypeOf } from './source-type.ts';

export interface ConflictDeps {
  readonly store: ReadStore;
  readonly desk: ConflictDesk;
  readonly sourceTypeOf: SourceTypeOf;
}

export const conflictAnswer = z
  .object({
    conflictId: z.string(),
    entityId: z.string(),
    kind: z.string(),
    sourceType: z.string().describe('Whose change brought it.'),
    conflictType: z.string(),
    status: z.enum(conflictStatuses),
    resolution: z.string().describe('What decided, or what an open one waits for: `manual` or `webhook`.'),
    fields: z.array(z.string()).readonly(),
    details: dataAnswer.describe('`fields`: for each its sides, the base, the value that stands meanwhile and its status.'),
    createdAt: instantAnswer,
    updatedAt: instantAnswer,
    webhookAttempts: z.number().int(),
    webhookError: z.string().nullable().describe('Why the webhook asked last gave no answer.'),
  })
  .meta({ id: 'Conflict' });

const idParameter = z.object({ id: z.uuid() });
const source = textParameter(50, 'A side of the conflict, a source by its name.');
const rulingBody = z
  .strictObject({
    fields: z.record(z.string(), z.unknown()).optional().describe('New values, by field.'),
    choose: z
      .union([source, z.record(z.string(), source)])
      .optional()
      .describe('The side whose value holds: one for all fields, or field by field.'),
    skip: z.literal(true).optional().describe('Leaves the golden record as it is.'),
    updatedAt: z.string().max(50).optional().describe('`updatedAt` as it was read: where the conflict has moved since, 409.'),
  })
  .refine(({ fields, choose, skip }) => [fields, choose, skip].filter((part) => part !== undefined).length === 1, {
    error: 'expected one of `fields`, `choose` and `skip`',
  })
  .refine(({ fields, choose }) => !isEmpty(fields) && !isEmpty(choose), { error: 'names no field' });

export function conflictRoutes(deps: ConflictDeps): Route[] {
  return [listRoute(deps), showRoute(deps), resolveRoute(deps)];
}

function listRoute({ store, sourceTypeOf }: ConflictDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/conflicts',
    role: 'viewer',
    id: 'listConflicts',
    tag: 'Conflicts',
    summary: 'Conflicts that were found and what became of them, the latest first.',
    query: z.strictObject({
      status: z.enum(conflictStatuses).optional(),
      entity_id: textParameter(100, 'The id of an entity.').optional(),
      kind: textParameter(50, 'A kind of entity.').optional(),
      source: textParameter(50, 'The source whose change brought it, by its name.').optional(),
      type: z.enum(conflictTypes).optional(),
      resolution: textParameter(50, 'How it was resolved.').optional(),
      ...pageParameters,
    }),
    answer: pageAnswer(conflictAnswer),
    async handle({ query }) {
      const filter = {
        status: query.status,
        entityId: query.entity_id,
        kind: query.kind,
        sourceType: sourceTypeOf(query.source),
        conflictType: query.type,
        resolution: query.resolution,
      };
      return answerOf(await store.conflicts(filter, pageRequestOf(query, ['instant', 'uuid'])), (row) => row);
    },
  });
}

function showRoute({ desk }: ConflictDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/conflicts/{id}',
    role: 'viewer',
    id: 'getConflict',
    tag: 'Conflicts',
    summary: 'One conflict with its sides.',
    params: idParameter,
    answer: conflictAnswer,
    handle: ({ params }) => desk.find(params.id),
  });
}

function resolveRoute({ desk, sourceTypeOf }: ConflictDeps): Route {
  return declareRoute({
    method: 'post',
    path: '/api/conflicts/{id}/resolve',
    role: 'operator',
    id: 'resolveConflict',
    tag: 'Conflicts',
    summary: 'Decides an open conflict.',
    description:
      'The decision is an event: it is on its way when Kafka has acknowledged it, and the first one counts. Fields that are left out stay open. ',
    params: idParameter,
    body: rulingBody,
    answer: z.object({ eventId: z.string().describe('The event of the decision.'), conflictId: z.string() }),
    status: 202,
    async handle({ params, body, caller }) {
      const eventId = await desk.resolve(params.id, rulingOf(body, sourceTypeOf), signatureOf(caller), body.updatedAt);
      return { eventId, conflictId: params.id };
    },
  });
}

function rulingOf({ fields, choose }: z.output<typeof rulingBody>, sourceTypeOf: SourceTypeOf): Ruling {
  // What JSON brought is JSON.
  if (fields !== undefined) return { kind: 'values', fields: fields as JsonObject };
  if (choose === undefined) return { kind: 'skip' };
  const typeOf = (name: string) => sourceTypeOf(name) ?? name;
  if (typeof choose === 'string') return { kind: 'side', source: typeOf(choose) };
  return {
    kind: 'sides',
    sources: Object.fromEntries(Object.entries(choose).map(([field, name]) => [field, typeOf(name)])),
  };
}

function isEmpty(record: unknown): boolean {
  return typeof record === 'object' && record !== null && Object.keys(record).length === 0;
}
