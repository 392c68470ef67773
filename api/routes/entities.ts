import { z } from 'zod';
import { canonicalInstant } from '../../core/canonical/instant.ts';
import { goldenSourceType } from '../../core/change-event.ts';
import type { EntityStore, PointInHistory } from '../../core/ports/entity-store.ts';
import type { ReadStore } from '../../core/ports/read-store.ts';
import { type EntityDeskDeps, unknownEntity, whyEntity } from '../entity-desk.ts';
import { answerOf, dataAnswer, instantAnswer, pageAnswer, pageParameters, pageRequestOf, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';
import { conflictAnswer } from './conflicts.ts';
import { stateAnswer } from './sync-state.ts';

export interface EntityDeps {
  readonly store: ReadStore;
  readonly entities: EntityStore;
  readonly kinds: EntityDeskDeps['kinds'];
}

const openConflictsShownMax = 100;

const idParameter = z.object({ id: textParameter(100, 'The id of an entity, percent-encoded: `product%3ASKU-1`.') });

const versionAnswer = z
  .object({
    version: z.number().int(),
    eventId: z.string().describe('The event that made it.'),
    sourceType: z.string(),
    sourceId: z.string(),
    eventType: z.string(),
    status: z.string(),
    timestamp: instantAnswer.describe('When it happened at its source.'),
    receivedAt: instantAnswer.describe('When it came in: this is the time that `at` goes by.'),
    deleted: z.boolean(),
    data: dataAnswer.nullable(),
  })
  .meta({ id: 'GoldenVersion' });

const whyAnswer = z
  .object({
    field: z.string(),
    value: z.unknown().optional(),
    source: z.string().nullable(),
    eventId: z.string().nullable(),
    at: instantAnswer.nullable().describe('When that happened at its source; null for an event that is not kept any more.'),
    rule: z
      .string()
      .describe(
        'The policy’s rule where it decided; `only_source`, `agreed`, `unopposed` or `kept` where it had nothing to decide.',
      ),
    overrode: z
      .array(z.object({ source: z.string(), value: z.unknown().optional(), eventId: z.string(), at: instantAnswer.nullable() }))
      .readonly()
      .describe('What other sources say instead; without `value` where they took the field away.'),
  })
  .meta({ id: 'FieldExplanation' });

const pointParameter = z
  .string()
  .max(50)
  .transform((text, context): PointInHistory => {
    if (/^\d{1,15}$/.test(text)) return { version: Number(text) };
    const instant = canonicalInstant(text);
    if (instant !== undefined && !instant.startsWith('0000')) return { instant };
    context.addIssue({
      code: 'custom',
      message: 'expected a version such as 7, or a time with its zone such as 2026-03-01T12:00:00Z',
    });
    return z.NEVER;
  })
  .meta({ description: 'Only the version that stood then: a version, or a time.' });

export function entityRoutes(deps: EntityDeps): Route[] {
  return [showRoute(deps), historyRoute(deps), explainRoute(deps)];
}

function showRoute({ store }: EntityDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/entities/{id}',
    role: 'viewer',
    id: 'getEntity',
    tag: 'Entities',
    summary: 'One entity: its golden record, what each source says of it, and the conflicts that are open.',
    params: idParameter,
    answer: z.object({
      entityId: z.string(),
      kind: z.string(),
      golden: stateAnswer.nullable(),
      sources: z.array(stateAnswer).readonly(),
      openConflicts: z.array(conflictAnswer).readonly(),
    }),
    async handle({ params: { id: entityId } }) {
      const page = { after: null, limit: openConflictsShownMax };
      const [states, open] = await Promise.all([
        store.syncStatesOf(entityId),
        store.conflicts({ entityId, status: 'open' }, page),
      ]);
      const [first] = states;
      if (first === undefined) throw unknownEntity(entityId);
      const golden = states.find(({ sourceType }) => sourceType === goldenSourceType) ?? null;
      const sources = states.filter((state) => state !== golden);
      return { entityId, kind: first.kind, golden, sources, openConflicts: open.rows };
    },
  });
}

function historyRoute({ entities }: EntityDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/entities/{id}/history',
    role: 'viewer',
    id: 'getEntityHistory',
    tag: 'Entities',
    summary: 'Every version of the golden record with the event that made it, the latest first.',
    params: idParameter,
    query: z.strictObject({ at: pointParameter.optional(), ...pageParameters }),
    answer: pageAnswer(versionAnswer),
    async handle({ params: { id: entityId }, query }) {
      const found =
        query.at === undefined
          ? await entities.versions(entityId, pageRequestOf(query, ['count']))
          : { rows: [await entities.versionAt(entityId, query.at)].filter((version) => version !== null), next: null };
      if (found.rows.length === 0 && (await entities.rowsOf(entityId)) === null) throw unknownEntity(entityId);
      return answerOf(found, (row) => row);
    },
  });
}

function explainRoute({ entities, kinds }: EntityDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/entities/{id}/explain',
    role: 'viewer',
    id: 'explainEntity',
    tag: 'Entities',
    summary: 'Why each field of the golden record has its value: source, event, rule, and what it overrode.',
    params: idParameter,
    query: z.strictObject({ field: textParameter(500, 'Only this field.').optional() }),
    answer: z.object({
      entityId: z.string(),
      kind: z.string(),
      version: z.number().int().nullable(),
      deleted: z.boolean(),
      mergedInto: z.string().nullable().describe('Where its records went, of an entity that none is left of.'),
      fields: z.array(whyAnswer).readonly(),
    }),
    async handle({ params, query: { field } }) {
      const why = await whyEntity({ store: entities, kinds }, params.id);
      return field === undefined ? why : { ...why, fields: why.fields.filter((one) => one.field === field) };
    },
  });
}
