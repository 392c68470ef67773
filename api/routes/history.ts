import { z } from 'zod';
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

const conflictAnswer = z
  .object({
    conflictId: z.string(),
    entityId: z.string(),
    sourceType: z.string(),
    conflictType: z.string(),
    resolution: z.string(),
    details: dataAnswer,
    createdAt: instantAnswer,
  })
  .meta({ id: 'Conflict' });

const metricAnswer = z
  .object({ name: z.string(), value: z.number(), labels: dataAnswer, timestamp: instantAnswer })
  .meta({ id: 'MetricSample' });

export function historyRoutes(store: ReadStore, sourceTypeOf: SourceTypeOf): Route[] {
  return [
    declareRoute({
      method: 'get',
      path: '/api/conflicts',
      role: 'viewer',
      id: 'listConflicts',
      tag: 'Conflicts',
      summary: 'Conflicts that were found and what became of them, the latest first.',
      query: z.strictObject({
        entity_id: textParameter(100, 'The id of an entity.').optional(),
        source: textParameter(50, 'A source by its name.').optional(),
        type: textParameter(50, 'The type of conflict.').optional(),
        resolution: textParameter(50, 'How it was resolved.').optional(),
        ...pageParameters,
      }),
      answer: pageAnswer(conflictAnswer),
      async handle({ query }) {
        const filter = {
          entityId: query.entity_id,
          sourceType: sourceTypeOf(query.source),
          conflictType: query.type,
          resolution: query.resolution,
        };
        return answerOf(await store.conflicts(filter, pageRequestOf(query, ['instant', 'uuid'])), (row) => row);
      },
    }),
    declareRoute({
      method: 'get',
      path: '/api/metrics-history',
      role: 'viewer',
      id: 'listMetrics',
      tag: 'Metrics',
      summary: 'Figures kept in `sync_metrics`, the latest first.',
      query: z.strictObject({
        name: textParameter(100, 'The name of a metric.').optional(),
        since: instantParameter('Samples of this time or later.').optional(),
        until: instantParameter('Samples before this time.').optional(),
        ...pageParameters,
      }),
      answer: pageAnswer(metricAnswer),
      async handle({ query }) {
        return answerOf(await store.metrics(query, pageRequestOf(query, ['instant', 'uuid'])), (row) => row);
      },
    }),
  ];
}
