import { z } from 'zod';
import { SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import { type DeadLetterFilter, type DeadLetterStore, deadLetterStatuses } from '../../core/ports/dead-letter-store.ts';
import { signatureOf } from '../caller.ts';
import { answerOf, dataAnswer, instantAnswer, pageAnswer, pageParameters, pageRequestOf, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';
import { bodyAnswer, bodyViewOf } from './letter-body.ts';

export interface DeadLetterDeps {
  readonly store: DeadLetterStore;
  readonly clock: Clock;
  /** Puts letters on their raw topics again; how many. */
  replay(filter: DeadLetterFilter, limit: number): Promise<number>;
}

const replayLimitDefault = 100;
const replayLimitMax = 10_000;

const letterFields = {
  id: z.string(),
  topic: z.string(),
  partition: z.number().int(),
  offset: z.number().int(),
  stage: z.string(),
  source: z.string(),
  kind: z.string(),
  key: z.string().nullable(),
  eventId: z.string().nullable(),
  correlationId: z.string().nullable(),
  code: z.string(),
  reason: z.string(),
  details: dataAnswer,
  status: z.enum(deadLetterStatuses),
  attempts: z.number().int(),
  nextAttemptAt: instantAnswer.nullable(),
  failedAt: instantAnswer,
  updatedAt: instantAnswer,
};
const letterAnswer = z.object(letterFields).meta({ id: 'DeadLetter' });
const letterWithBody = z.object({ ...letterFields, body: bodyAnswer }).meta({ id: 'DeadLetterWithBody' });

const filterFields = {
  source: textParameter(100, 'A source by its name.').optional(),
  kind: textParameter(100, 'A kind of entity.').optional(),
  code: textParameter(50, 'An error code, `mapping.failed`.').optional(),
};
const idParameter = z.object({ id: z.uuid() });

export function deadLetterRoutes(deps: DeadLetterDeps): Route[] {
  return [listRoute(deps), showRoute(deps), replayRoute(deps), discardRoute(deps), replayManyRoute(deps)];
}

function listRoute({ store }: DeadLetterDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/dead-letters',
    role: 'viewer',
    id: 'listDeadLetters',
    tag: 'Dead letters',
    summary: 'Records a stage could not process, the latest first.',
    query: z.strictObject({ status: z.enum(deadLetterStatuses).optional(), ...filterFields, ...pageParameters }),
    answer: pageAnswer(letterAnswer),
    async handle({ query }) {
      const filter = { ...query, status: query.status === undefined ? undefined : [query.status] };
      return answerOf(await store.list(filter, pageRequestOf(query, ['instant', 'uuid'])), (row) => row);
    },
  });
}

function showRoute({ store }: DeadLetterDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/dead-letters/{id}',
    role: 'viewer',
    id: 'getDeadLetter',
    tag: 'Dead letters',
    summary: 'One dead letter with its bytes.',
    params: idParameter,
    answer: letterWithBody,
    async handle({ params }) {
      const { body, ...letter } = await found(store, params.id);
      return { ...letter, body: bodyViewOf(body) };
    },
  });
}

function replayRoute({ store, replay }: DeadLetterDeps): Route {
  return declareRoute({
    method: 'post',
    path: '/api/dead-letters/{id}/replay',
    role: 'operator',
    id: 'replayDeadLetter',
    tag: 'Dead letters',
    summary: 'Puts the bytes on their raw topic again. Doing it twice is harmless.',
    params: idParameter,
    answer: letterAnswer,
    status: 202,
    async handle({ params }) {
      const replayed = await replay({ ids: [params.id] }, 1);
      const { body: _body, ...letter } = await found(store, params.id);
      if (replayed === 0)
        throw new SyncError('request.conflict', `the dead letter is ${letter.status}: there is nothing to replay`);
      return letter;
    },
  });
}

function discardRoute({ store, clock }: DeadLetterDeps): Route {
  return declareRoute({
    method: 'post',
    path: '/api/dead-letters/{id}/discard',
    role: 'operator',
    id: 'discardDeadLetter',
    tag: 'Dead letters',
    summary: 'Gives a dead letter up, with the reason. Who did it stays in its details.',
    params: idParameter,
    body: z.strictObject({ reason: textParameter(500, 'Why it is given up.') }),
    answer: letterAnswer,
    async handle({ params, body, caller }) {
      const discarded = await store.discard(params.id, signatureOf(caller), body.reason, clock.nowMs());
      const { body: _body, ...letter } = await found(store, params.id);
      if (!discarded) throw new SyncError('request.conflict', `the dead letter is ${letter.status} already`);
      return letter;
    },
  });
}

function replayManyRoute({ store, replay }: DeadLetterDeps): Route {
  return declareRoute({
    method: 'post',
    path: '/api/dead-letters/replay',
    role: 'operator',
    id: 'replayDeadLetters',
    tag: 'Dead letters',
    summary: 'Replays the dead letters a filter finds, the oldest first, at most `limit` of them.',
    body: z.strictObject({
      status: z.enum(['waiting', 'parked']).optional().describe('Without it both.'),
      ...filterFields,
      limit: z.int().min(1).max(replayLimitMax).default(replayLimitDefault),
    }),
    answer: z.object({
      replayed: z.number().int(),
      remaining: z.number().int().describe('Letters the filter still finds.'),
    }),
    status: 202,
    async handle({ body: { limit, status, ...fields } }) {
      const filter: DeadLetterFilter = { ...fields, status: status === undefined ? ['waiting', 'parked'] : [status] };
      const replayed = await replay(filter, limit);
      return { replayed, remaining: await store.count(filter) };
    },
  });
}

async function found(store: DeadLetterStore, id: string) {
  const letter = await store.find(id);
  if (letter === null) throw new SyncError('request.not-found', `there is no dead letter ${id}`);
  return letter;
}
