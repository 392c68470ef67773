import { z } from 'zod';
import { operations } from '../../core/change-event.ts';
import { SyncError } from '../../core/errors.ts';
import type { ReadStore } from '../../core/ports/read-store.ts';
import {
  answerOf,
  dataAnswer,
  instantAnswer,
  instantParameter,
  pageAnswer,
  pageParameters,
  pageRequestOf,
  textParameter,
} from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';
import type { SourceTypeOf } from './source-type.ts';

const eventAnswer = z
  .object({
    eventId: z.string(),
    sourceType: z.string(),
    sourceId: z.string().describe('The key of the record in its source.'),
    entityId: z.string(),
    eventType: z.string(),
    status: z.string(),
    timestamp: instantAnswer.describe('When it happened at its source.'),
    receivedAt: instantAnswer,
    position: z.string(),
    correlationId: z.string(),
    checksum: z.string().nullable(),
    data: dataAnswer.nullable(),
  })
  .meta({ id: 'SourceEvent' });

const status = z.enum(['applied', 'unchanged', 'stale', 'superseded', 'echo', 'conflicted']);

export function sourceEventRoutes(store: ReadStore, sourceTypeOf: SourceTypeOf): Route[] {
  return [
    declareRoute({
      method: 'get',
      path: '/api/source-events',
      role: 'viewer',
      id: 'listSourceEvents',
      tag: 'Events',
      summary: 'Changes as the sources reported them, the latest first.',
      query: z.strictObject({
        entity_id: textParameter(100, 'The id of an entity.').optional(),
        source: textParameter(50, 'A source by its name.').optional(),
        type: z.enum(['leave', ...operations]).optional(),
        status: status.optional(),
        since: instantParameter('Changes of this time or later.').optional(),
        until: instantParameter('Changes before this time.').optional(),
        ...pageParameters,
      }),
      answer: pageAnswer(eventAnswer),
      async handle({ query }) {
        const filter = {
          entityId: query.entity_id,
          sourceType: sourceTypeOf(query.source),
          eventType: query.type,
          status: query.status,
          since: query.since,
          until: query.until,
        };
        return answerOf(await store.sourceEvents(filter, pageRequestOf(query, ['instant', 'uuid'])), (row) => row);
      },
    }),
    declareRoute({
      method: 'get',
      path: '/api/source-events/{id}',
      role: 'viewer',
      id: 'getSourceEvent',
      tag: 'Events',
      summary: 'One change by its id.',
      params: z.object({ id: z.uuid() }),
      answer: eventAnswer,
      async handle({ params }) {
        const event = await store.sourceEvent(params.id);
        if (event === null) throw new SyncError('request.not-found', `there is no event ${params.id}`);
        return event;
      },
    }),
  ];
}
