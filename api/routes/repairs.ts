import { z } from 'zod';
import { SyncError } from '../../core/errors.ts';
import { repairStates, type VerificationDesk } from '../../core/ports/verification-desk.ts';
import { findingKinds } from '../../core/verify/finding.ts';
import { repairActions, repairOutcomes } from '../../core/verify/repair-plan.ts';
import { signatureOf } from '../caller.ts';
import { answerOf, instantAnswer, pageAnswer, pageParameters, pageRequestOf } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';

const idParameter = z.object({ id: z.uuid() });
const ended = ['equal', 'differs', 'failed', 'cancelled'];

const repairAnswer = z
  .object({
    id: z.string(),
    verificationId: z.string(),
    state: z.enum(repairStates),
    dryRun: z.boolean(),
    deleteUnknown: z.boolean(),
    askedBy: z.string(),
    reason: z.string().nullable(),
    outcomes: z
      .object(
        Object.fromEntries(repairOutcomes.map((name) => [name, z.number().int()])) as Record<
          (typeof repairOutcomes)[number],
          z.ZodNumber
        >,
      )
      .readonly()
      .describe('How many records are how: planned, begun, equal again, still different, or left alone.'),
    createdAt: instantAnswer,
    endedAt: instantAnswer.nullable(),
  })
  .meta({ id: 'Repair' });
const itemAnswer = z
  .object({
    seq: z.number().int(),
    system: z.string(),
    kind: z.string(),
    entityId: z.string().nullable(),
    key: z.string().nullable(),
    finding: z.enum(findingKinds),
    fields: z.array(z.string()).readonly(),
    action: z
      .enum(repairActions)
      .describe(
        'write: the target writes the golden record again; tell: what stands in the system becomes its own change; delete: a row nobody told of goes; compare: two sources are compared anew; none.',
      ),
    outcome: z.enum(repairOutcomes),
    reason: z.string().nullable(),
  })
  .meta({ id: 'RepairItem' });

export function repairRoutes(desk: VerificationDesk): Route[] {
  return [requestRoute(desk), listRoute(desk), showRoute(desk), itemsRoute(desk)];
}

function requestRoute(desk: VerificationDesk): Route {
  return declareRoute({
    method: 'post',
    path: '/api/repairs',
    role: 'operator',
    id: 'startRepair',
    tag: 'Verify',
    summary: 'Brings back what a verification found, through the pipeline, and looks whether it is equal then.',
    body: z.strictObject({
      verification: z.uuid().optional().describe('By its id; by default the last one that ended.'),
      dryRun: z.boolean().default(true).describe('Only lists what would be done.'),
      deleteUnknown: z.boolean().default(false).describe('Also deletes rows of a target that nobody ever told of.'),
    }),
    status: 202,
    answer: repairAnswer,
    async handle({ body, caller }) {
      const verificationId = body.verification ?? (await desk.latest());
      const found = verificationId === null ? null : await desk.show(verificationId);
      if (verificationId === null || found === null) {
        const which =
          body.verification === undefined
            ? 'no verification has ended so far: start one first'
            : `there is no verification ${body.verification}`;
        throw new SyncError('request.not-found', which);
      }
      if (!ended.includes(found.verification.state)) {
        throw new SyncError('request.conflict', `verification ${verificationId} has not ended`);
      }
      const { dryRun, deleteUnknown } = body;
      const id = await desk.requestRepair({ verificationId, dryRun, deleteUnknown, askedBy: signatureOf(caller) });
      if (id === null) throw new SyncError('request.conflict', 'too many repairs wait already');
      return shown(desk, id);
    },
  });
}

function listRoute(desk: VerificationDesk): Route {
  return declareRoute({
    method: 'get',
    path: '/api/repairs',
    role: 'viewer',
    id: 'listRepairs',
    tag: 'Verify',
    summary: 'Repairs, the latest first.',
    query: z.strictObject({ ...pageParameters }),
    answer: pageAnswer(repairAnswer),
    async handle({ query }) {
      return answerOf(await desk.repairs(pageRequestOf(query, ['instant', 'uuid'])), (row) => row);
    },
  });
}

function showRoute(desk: VerificationDesk): Route {
  return declareRoute({
    method: 'get',
    path: '/api/repairs/{id}',
    role: 'viewer',
    id: 'getRepair',
    tag: 'Verify',
    summary: 'One repair.',
    params: idParameter,
    answer: repairAnswer,
    handle: ({ params: { id } }) => shown(desk, id),
  });
}

function itemsRoute(desk: VerificationDesk): Route {
  return declareRoute({
    method: 'get',
    path: '/api/repairs/{id}/items',
    role: 'viewer',
    id: 'listRepairItems',
    tag: 'Verify',
    summary: 'What a repair does, or would do, record by record, and what came of it.',
    params: idParameter,
    query: z.strictObject({ ...pageParameters }),
    answer: pageAnswer(itemAnswer),
    async handle({ params: { id }, query }) {
      await shown(desk, id);
      return answerOf(await desk.repairItems(id, pageRequestOf(query, ['count'])), (row) => row);
    },
  });
}

async function shown(desk: VerificationDesk, id: string) {
  const repair = await desk.repair(id);
  if (repair === null) throw new SyncError('request.not-found', `there is no repair ${id}`);
  return repair;
}
