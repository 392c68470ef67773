import { z } from 'zod';
import { SyncError } from '../../core/errors.ts';
import { findingStates, type VerificationDesk, verificationStates } from '../../core/ports/verification-desk.ts';
import { unknownName } from '../../core/unknown-name.ts';
import { findingKinds } from '../../core/verify/finding.ts';
import { signatureOf } from '../caller.ts';
import { answerOf, instantAnswer, pageAnswer, pageParameters, pageRequestOf, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';

export interface VerifyDeps {
  readonly desk: VerificationDesk;
  /** What can be verified: the kinds by system. */
  readonly systems: ReadonlyMap<string, readonly string[]>;
}

const settleSecondsDefault = 5;
const partStates = ['waiting', 'running', 'equal', 'differs', 'unreadable', 'failed', 'cancelled'] as const;
const idParameter = z.object({ id: z.uuid() });
const names = (what: string) => z.array(textParameter(50, what)).max(100).default([]);

const counts = {
  records: z.number().int().describe('How many records were looked at.'),
  findings: z.number().int().describe('What differs; while it runs also what may turn out to be a change on its way.'),
  moving: z.number().int().describe('Records that changed at every look: nothing is said about them.'),
};
const verificationFields = {
  id: z.string(),
  state: z.enum(verificationStates),
  systems: z.array(z.string()).readonly().describe('Empty: all.'),
  kinds: z.array(z.string()).readonly().describe('Empty: all.'),
  settleMs: z.number().int(),
  askedBy: z.string(),
  ...counts,
  createdAt: instantAnswer,
  startedAt: instantAnswer.nullable(),
  endedAt: instantAnswer.nullable(),
};
const verificationAnswer = z.object(verificationFields).meta({ id: 'Verification' });
const partAnswer = z.object({
  system: z.string(),
  kind: z.string(),
  state: z.enum(partStates).describe('unreadable: the system cannot be asked what it holds.'),
  ...counts,
  reason: z.string().nullable(),
  startedAt: instantAnswer.nullable(),
  endedAt: instantAnswer.nullable(),
});
const wholeAnswer = z
  .object({ ...verificationFields, parts: z.array(partAnswer).readonly() })
  .meta({ id: 'VerificationWithParts' });
const findingAnswer = z
  .object({
    seq: z.number().int(),
    system: z.string(),
    kind: z.string(),
    state: z.enum(findingStates),
    finding: z.enum(findingKinds),
    entityId: z.string().nullable(),
    key: z.string().nullable().describe('The key of the record in the system.'),
    fields: z.array(z.string()).readonly().describe('The fields that differ, by name.'),
    reason: z.string().nullable(),
    seenAt: instantAnswer,
  })
  .meta({ id: 'Finding' });
export const throughAnswer = z.object({
  system: z.string(),
  kind: z.string(),
  through: instantAnswer.nullable().describe('Up to then everything was found equal; null where it never was.'),
  findings: z.number().int().describe('What the last verification found.'),
  moving: z.number().int(),
  checkedAt: instantAnswer.describe('When the last verification began.'),
});

export function verifyRoutes(deps: VerifyDeps): Route[] {
  return [requestRoute(deps), listRoute(deps), throughRoute(deps), showRoute(deps), findingsRoute(deps), cancelRoute(deps)];
}

function requestRoute({ desk, systems }: VerifyDeps): Route {
  return declareRoute({
    method: 'post',
    path: '/api/verifications',
    role: 'operator',
    id: 'startVerification',
    tag: 'Verify',
    summary: 'Compares systems, states and golden records, while the stream goes on.',
    description: 'It runs by itself, one at a time. What differs is looked at again after everything on its way has arrived.',
    body: z.strictObject({
      systems: names('A source or target by its name, or `tables`.').describe('Without it all.'),
      kinds: names('A kind of entity.').describe('Without it all.'),
      settleSeconds: z
        .number()
        .min(0)
        .max(600)
        .default(settleSecondsDefault)
        .describe('How long a system may take to tell of its changes: so long is waited before something is looked at again.'),
    }),
    status: 202,
    answer: verificationAnswer,
    async handle({ body, caller }) {
      requireKnown('systems', body.systems, [...systems.keys()]);
      requireKnown('kinds', body.kinds, [...new Set([...systems.values()].flat())]);
      const settleMs = Math.round(body.settleSeconds * 1_000);
      const id = await desk.request({ systems: body.systems, kinds: body.kinds, settleMs, askedBy: signatureOf(caller) });
      if (id === null) throw new SyncError('request.conflict', 'too many verifications wait already');
      return (await shown(desk, id)).verification;
    },
  });
}

function listRoute({ desk }: VerifyDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/verifications',
    role: 'viewer',
    id: 'listVerifications',
    tag: 'Verify',
    summary: 'Verifications, the latest first.',
    query: z.strictObject({ ...pageParameters }),
    answer: pageAnswer(verificationAnswer),
    async handle({ query }) {
      return answerOf(await desk.list(pageRequestOf(query, ['instant', 'uuid'])), (row) => row);
    },
  });
}

function throughRoute({ desk }: VerifyDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/verifications/through',
    role: 'viewer',
    id: 'getVerifiedThrough',
    tag: 'Verify',
    summary: 'Per system and kind the time up to which everything was found equal.',
    answer: z.object({ verified: z.array(throughAnswer).readonly() }),
    async handle() {
      return { verified: await desk.through() };
    },
  });
}

function showRoute({ desk }: VerifyDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/verifications/{id}',
    role: 'viewer',
    id: 'getVerification',
    tag: 'Verify',
    summary: 'One verification, with how far it is at each system and kind.',
    params: idParameter,
    answer: wholeAnswer,
    async handle({ params: { id } }) {
      const { verification, parts } = await shown(desk, id);
      return { ...verification, parts };
    },
  });
}

function findingsRoute({ desk }: VerifyDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/verifications/{id}/findings',
    role: 'viewer',
    id: 'listFindings',
    tag: 'Verify',
    summary: 'What a verification found, in the order in which it was found.',
    params: idParameter,
    query: z.strictObject({
      system: textParameter(50, 'A source or target by its name, or `tables`.').optional(),
      kind: textParameter(50, 'A kind of entity.').optional(),
      finding: z.enum(findingKinds).optional(),
      state: z.enum(findingStates).optional().describe('suspected: it may be a change on its way, and will be looked at again.'),
      ...pageParameters,
    }),
    answer: pageAnswer(findingAnswer),
    async handle({ params: { id }, query }) {
      await shown(desk, id);
      return answerOf(await desk.findings(id, query, pageRequestOf(query, ['count'])), (row) => row);
    },
  });
}

function cancelRoute({ desk }: VerifyDeps): Route {
  return declareRoute({
    method: 'post',
    path: '/api/verifications/{id}/cancel',
    role: 'operator',
    id: 'cancelVerification',
    tag: 'Verify',
    summary: 'Ends a verification; what it found stays.',
    params: idParameter,
    answer: verificationAnswer,
    async handle({ params: { id }, caller }) {
      await shown(desk, id);
      if (!(await desk.cancel(id, signatureOf(caller)))) throw new SyncError('request.conflict', `verification ${id} has ended`);
      return (await shown(desk, id)).verification;
    },
  });
}

async function shown(desk: VerificationDesk, id: string) {
  const found = await desk.show(id);
  if (found === null) throw new SyncError('request.not-found', `there is no verification ${id}`);
  return found;
}

function requireKnown(field: string, asked: readonly string[], known: readonly string[]): void {
  const unknown = asked.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const { message } = unknownName(field === 'systems' ? 'system' : 'kind', unknown, known);
  throw new SyncError('request.invalid', `body: ${field}: ${message}`, {
    details: { errors: [{ field, code: 'invalid', message }] },
  });
}
