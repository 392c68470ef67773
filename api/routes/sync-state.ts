import { z } from 'zod';
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

export const stateAnswer = z
  .object({
    entityId: z.string(),
    sourceType: z.string().describe('The source in capitals, or GOLDEN for the resolved truth.'),
    kind: z.string(),
    status: z.string(),
    version: z.number().int(),
    position: z.string().nullable(),
    checksum: z.string().nullable(),
    eventId: z.string(),
    lastSyncAt: instantAnswer,
    data: dataAnswer.nullable(),
  })
  .meta({ id: 'SyncState' });

const status = z.enum(['synced', 'deleted', 'conflict']);

export function syncStateRoutes(store: ReadStore, sourceTypeOf: SourceTypeOf): Route[] {
  return [
    declareRoute({
      method: 'get',
      path: '/api/sync-state',
      role: 'viewer',
      id: 'listSyncState',
      tag: 'State',
      summary: 'What each source says of each entity, and the golden record.',
      query: z.strictObject({
        entity_id: textParameter(100, 'The id of an entity, `orders:42`.').optional(),
        source: textParameter(50, 'A source by its name, or GOLDEN.').optional(),
        kind: textParameter(50, 'A kind of entity.').optional(),
        status: status.optional(),
        updated_since: instantParameter('Rows written at this time or later.').optional(),
        updated_until: instantParameter('Rows written before this time.').optional(),
        ...pageParameters,
      }),
      answer: pageAnswer(stateAnswer),
      async handle({ query }) {
        const filter = {
          entityId: query.entity_id,
          sourceType: sourceTypeOf(query.source),
          kind: query.kind,
          status: query.status,
          updatedSince: query.updated_since,
          updatedUntil: query.updated_until,
        };
        return answerOf(await store.syncStates(filter, pageRequestOf(query, ['text', 'text'])), (row) => row);
      },
    }),
    declareRoute({
      method: 'get',
      path: '/api/sync-state/{entityId}',
      role: 'viewer',
      id: 'getSyncState',
      tag: 'State',
      summary: 'Everything known of one entity: a row per source, and the golden record.',
      params: z.object({ entityId: textParameter(100, 'The id of an entity, percent-encoded.') }),
      answer: z.object({ entityId: z.string(), states: z.array(stateAnswer).readonly() }),
      async handle({ params }) {
        const states = await store.syncStatesOf(params.entityId);
        if (states.length === 0) throw new SyncError('request.not-found', `no source knows the entity ${params.entityId}`);
        return { entityId: params.entityId, states };
      },
    }),
  ];
}
