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

const metricAnswer = z
  .object({ name: z.string(), value: z.number(), labels: dataAnswer, timestamp: instantAnswer })
  .meta({ id: 'MetricSample' });

export function historyRoutes(store: ReadStore): Route[] {
  return [
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
