import { z } from 'zod';
import { signatureOf } from '../caller.ts';
import type { IdentityDesk } from '../identity-desk.ts';
import { instantAnswer, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';

const idParameter = z.object({ id: textParameter(100, 'The id of an entity, percent-encoded: `product%3ASKU-1`.') });
const entityId = textParameter(100, 'The id of an entity.');
const recordFields = {
  source: textParameter(100, 'A source by its name.'),
  kind: textParameter(100, 'A kind of entity.'),
  key: textParameter(2_000, 'The key of a record in its source.'),
};

const linksAnswer = z
  .object({
    entityId: z.string(),
    kind: z.string(),
    records: z
      .array(
        z.object({
          source: z.string(),
          kind: z.string(),
          key: z.string(),
          matchKeys: z
            .array(z.string())
            .readonly()
            .nullable()
            .describe('As last seen; null where none were seen since it was bound.'),
          gone: z.boolean().describe('Deleted at its source: it stands in nobody’s way.'),
          inTransit: z.boolean().describe('What its former entity knew of it has not arrived yet.'),
          boundAt: instantAnswer,
        }),
      )
      .readonly()
      .describe('The records that stand under the entity.'),
    matchKeys: z.array(z.string()).readonly().describe('By which new records find it.'),
    history: z
      .array(
        z.object({
          source: z.string(),
          kind: z.string(),
          key: z.string(),
          reason: z.string().describe('`match-key`, `link`, `merge`, `split`, `returned` or `conflict`.'),
          entityId: z.string().nullable().describe('Where the record stood afterwards.'),
          previous: z.string().nullable(),
          matchKey: z.string().nullable(),
          heldBy: z.string().nullable().describe('The key that stood in the way.'),
          by: z.string().nullable().describe('Who ordered it; null where a changed match key did.'),
          eventId: z.string().nullable(),
          at: instantAnswer,
        }),
      )
      .readonly()
      .describe('Records that came, went or were refused, the latest first.'),
    mergedInto: z.string().nullable().describe('Where its records went, once none is left.'),
  })
  .meta({ id: 'EntityLinks' });

const orderedAnswer = z.object({ eventIds: z.array(z.string()).readonly().describe('The events of the orders, one a record.') });

export function identityRoutes(desk: IdentityDesk): Route[] {
  return [linksRoute(desk), linkRoute(desk), mergeRoute(desk), splitRoute(desk)];
}

function linksRoute(desk: IdentityDesk): Route {
  return declareRoute({
    method: 'get',
    path: '/api/entities/{id}/links',
    role: 'viewer',
    id: 'getEntityLinks',
    tag: 'Identity',
    summary: 'The records that make up an entity, the match keys that find it, and how it came to that.',
    params: idParameter,
    answer: linksAnswer,
    handle: ({ params }) => desk.links(params.id),
  });
}

function linkRoute(desk: IdentityDesk): Route {
  return declareRoute({
    method: 'post',
    path: '/api/identity/link',
    role: 'operator',
    id: 'linkRecord',
    tag: 'Identity',
    summary: 'Moves a record to another entity.',
    description: 'The order is on its way when Kafka has acknowledged it; what the record says follows it.',
    body: z.strictObject({ ...recordFields, entityId }),
    answer: orderedAnswer,
    status: 202,
    async handle({ body: { entityId: to, ...record }, caller }) {
      return { eventIds: [await desk.link(record, to, signatureOf(caller))] };
    },
  });
}

function mergeRoute(desk: IdentityDesk): Route {
  return declareRoute({
    method: 'post',
    path: '/api/identity/merge',
    role: 'operator',
    id: 'mergeEntities',
    tag: 'Identity',
    summary: 'Moves every record of one entity to another, which its match keys find from then on.',
    description: 'Refused where a source has a living record under both. Doing it twice is harmless.',
    body: z.strictObject({ from: entityId, into: entityId }),
    answer: orderedAnswer,
    status: 202,
    async handle({ body, caller }) {
      return { eventIds: await desk.merge(body.from, body.into, signatureOf(caller)) };
    },
  });
}

function splitRoute(desk: IdentityDesk): Route {
  return declareRoute({
    method: 'post',
    path: '/api/identity/split',
    role: 'operator',
    id: 'splitRecord',
    tag: 'Identity',
    summary: 'Gives a record an entity of its own.',
    description:
      'Match keys that others share stay where they are, and do not draw the record back as long as they do not change.',
    body: z.strictObject({ ...recordFields, entityId: entityId.optional() }),
    answer: orderedAnswer,
    status: 202,
    async handle({ body: { entityId: name, ...record }, caller }) {
      return { eventIds: [await desk.split(record, name, signatureOf(caller))] };
    },
  });
}
