import { z } from 'zod';
import { SyncError } from '../../core/errors.ts';
import type { TargetDesk, TargetLetterFilter } from '../../core/ports/target-desk.ts';
import { type TargetLetter, targetLetterStatuses } from '../../core/ports/target-store.ts';
import { signatureOf } from '../caller.ts';
import { answerOf, dataAnswer, instantAnswer, pageAnswer, pageParameters, pageRequestOf, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';

const replayLimitDefault = 100;
const replayLimitMax = 10_000;

const letterAnswer = z
  .object({
    id: z.string(),
    target: z.string(),
    entityId: z.string(),
    kind: z.string(),
    key: z.string().nullable().describe('The key of the record at the target, where one is known.'),
    version: z.number().int().describe('The version of the golden record that was to be written.'),
    code: z.string(),
    reason: z.string(),
    details: dataAnswer,
    status: z.enum(targetLetterStatuses),
    attempts: z.number().int(),
    failedAt: instantAnswer,
  })
  .meta({ id: 'TargetLetter' });

const filterFields = {
  target: textParameter(50, 'A target by its name.').optional(),
  kind: textParameter(50, 'A kind of entity.').optional(),
  code: textParameter(50, 'An error code, `target.rejected`.').optional(),
};
const entityParameter = textParameter(100, 'The id of an entity.').optional();
const idParameter = z.object({ id: z.uuid() });

export function targetLetterRoutes(desk: TargetDesk): Route[] {
  return [listRoute(desk), showRoute(desk), replayRoute(desk), discardRoute(desk), replayManyRoute(desk)];
}

function listRoute(desk: TargetDesk): Route {
  return declareRoute({
    method: 'get',
    path: '/api/targets/letters',
    role: 'viewer',
    id: 'listTargetLetters',
    tag: 'Targets',
    summary: 'Records a target refused, or that were frozen because it turned them back, the latest first.',
    query: z.strictObject({
      status: z.enum(targetLetterStatuses).optional(),
      ...filterFields,
      entity_id: entityParameter,
      ...pageParameters,
    }),
    answer: pageAnswer(letterAnswer),
    async handle({ query }) {
      const { status, entity_id: entityId, target, kind, code } = query;
      const filter = { target, kind, code, entityId, status: status === undefined ? undefined : [status] };
      return answerOf(await desk.letters(filter, pageRequestOf(query, ['instant', 'uuid'])), (row) => row);
    },
  });
}

function showRoute(desk: TargetDesk): Route {
  return declareRoute({
    method: 'get',
    path: '/api/targets/letters/{id}',
    role: 'viewer',
    id: 'getTargetLetter',
    tag: 'Targets',
    summary: 'One letter of a target.',
    params: idParameter,
    answer: letterAnswer,
    handle: ({ params }) => found(desk, params.id),
  });
}

function replayRoute(desk: TargetDesk): Route {
  return declareRoute({
    method: 'post',
    path: '/api/targets/letters/{id}/replay',
    role: 'operator',
    id: 'replayTargetLetter',
    tag: 'Targets',
    summary: 'Has the record written again as it stands now, and thaws it. Doing it twice is harmless.',
    params: idParameter,
    answer: letterAnswer,
    status: 202,
    async handle({ params }) {
      const replayed = await desk.replay({ ids: [params.id] }, 1);
      const letter = await found(desk, params.id);
      if (replayed === 0 && letter.status !== 'replaying')
        throw new SyncError('request.conflict', `the letter is ${letter.status}: there is nothing to replay`);
      return letter;
    },
  });
}

function discardRoute(desk: TargetDesk): Route {
  return declareRoute({
    method: 'post',
    path: '/api/targets/letters/{id}/discard',
    role: 'operator',
    id: 'discardTargetLetter',
    tag: 'Targets',
    summary: 'Gives a letter up, with the reason. Who did it stays in its details.',
    params: idParameter,
    body: z.strictObject({ reason: textParameter(500, 'Why it is given up.') }),
    answer: letterAnswer,
    async handle({ params, body, caller }) {
      const discarded = await desk.discard(params.id, signatureOf(caller), body.reason);
      const letter = await found(desk, params.id);
      if (!discarded) throw new SyncError('request.conflict', `the letter is ${letter.status} already`);
      return letter;
    },
  });
}

function replayManyRoute(desk: TargetDesk): Route {
  return declareRoute({
    method: 'post',
    path: '/api/targets/letters/replay',
    role: 'operator',
    id: 'replayTargetLetters',
    tag: 'Targets',
    summary: 'Replays the parked letters a filter finds, the oldest first, at most `limit` of them.',
    body: z.strictObject({
      ...filterFields,
      entityId: entityParameter,
      limit: z.int().min(1).max(replayLimitMax).default(replayLimitDefault),
    }),
    answer: z.object({
      replayed: z.number().int(),
      remaining: z.number().int().describe('Parked letters the filter still finds.'),
    }),
    status: 202,
    async handle({ body: { limit, ...fields } }) {
      const filter: TargetLetterFilter = { ...fields, status: ['parked'] };
      const replayed = await desk.replay(filter, limit);
      return { replayed, remaining: await desk.count(filter) };
    },
  });
}

async function found(desk: TargetDesk, id: string): Promise<TargetLetter> {
  const [letter] = (await desk.letters({ ids: [id] }, { after: null, limit: 1 })).rows;
  if (letter === undefined) throw new SyncError('request.not-found', `there is no letter ${id}`);
  return letter;
}
