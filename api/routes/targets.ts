import { z } from 'zod';
import type { SynclineConfig } from '../../core/config/config.ts';
import { SyncError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { TargetDesk } from '../../core/ports/target-desk.ts';
import type { GuardState } from '../../core/ports/target-store.ts';
import { unknownName } from '../../core/unknown-name.ts';
import { signatureOf } from '../caller.ts';
import { instantAnswer, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';

export interface TargetDeps {
  readonly targets: SynclineConfig['targets'];
  readonly desk: TargetDesk;
  readonly clock: Clock;
}

const approvedMsMin = 3_600_000;

const targetAnswer = z
  .object({
    name: z.string(),
    connector: z.string(),
    kinds: z.array(z.string()).readonly().describe('The kinds of entity that are written there.'),
    guard: z.object({
      state: z.enum(['running', 'paused']),
      reason: z.string().nullable().describe('Why it is paused.'),
      known: z.number().int().describe('Records there that we know.'),
      changed: z.number().int().describe('How many of them were changed since `windowFrom`.'),
      deleted: z.number().int().describe('How many were deleted since `windowFrom`.'),
      windowFrom: instantAnswer.nullable().describe('Since when is counted; null before the first write.'),
      approvedUntil: instantAnswer.nullable().describe('Until then nothing is held back.'),
    }),
    letters: z.object({
      parked: z.number().int().describe('Records it refused that wait for somebody.'),
      replaying: z.number().int().describe('Records it refused that are about to be tried again.'),
    }),
  })
  .meta({ id: 'Target' });

export function targetRoutes(deps: TargetDeps): Route[] {
  return [listRoute(deps), approveRoute(deps)];
}

function listRoute(deps: TargetDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/targets',
    role: 'viewer',
    id: 'listTargets',
    tag: 'Targets',
    summary: 'The configured targets, what holds them back, and how many letters each has.',
    answer: z.object({ targets: z.array(targetAnswer).readonly() }),
    async handle() {
      const guards = await guardsOf(deps.desk);
      const named = Object.entries(deps.targets);
      return { targets: await Promise.all(named.map(([name, target]) => viewOf(deps.desk, name, target, guards.get(name)))) };
    },
  });
}

function approveRoute({ targets, desk, clock }: TargetDeps): Route {
  return declareRoute({
    method: 'post',
    path: '/api/targets/{name}/approve',
    role: 'operator',
    id: 'approveTarget',
    tag: 'Targets',
    summary: 'Lets a target go on that its guard has paused.',
    description:
      'Nothing is held back for an hour, or for the window of its guard where that is longer. A target that runs can be approved ahead of a change that is meant.',
    params: z.object({ name: textParameter(50, 'A target by its name.') }),
    answer: targetAnswer,
    async handle({ params: { name }, caller }) {
      const target = Object.hasOwn(targets, name) ? targets[name] : undefined;
      if (target === undefined) throw unknownName('target', name, Object.keys(targets));
      // What is approved must not count when the approval ends: the window has ended by then as well.
      const untilMs = clock.nowMs() + Math.max(target.guard.windowMs, approvedMsMin);
      const approved = await desk.approve(name, signatureOf(caller), untilMs);
      if (!approved)
        throw new SyncError('request.conflict', `nothing was to be written to ${name} so far: there is nothing to approve`);
      return viewOf(desk, name, target, (await guardsOf(desk)).get(name));
    },
  });
}

async function guardsOf(desk: TargetDesk): Promise<ReadonlyMap<string, GuardState>> {
  return new Map((await desk.guards()).map(({ target, ...guard }) => [target, guard]));
}

async function viewOf(desk: TargetDesk, name: string, target: SynclineConfig['targets'][string], guard: GuardState | undefined) {
  const [parked, replaying] = await Promise.all([
    desk.count({ target: name, status: ['parked'] }),
    desk.count({ target: name, status: ['replaying'] }),
  ]);
  return {
    name,
    connector: target.connector,
    kinds: Object.keys(target.entities),
    guard: {
      state: guard?.state ?? 'running',
      reason: guard?.reason ?? null,
      known: guard?.known ?? 0,
      changed: guard?.changed ?? 0,
      deleted: guard?.deleted ?? 0,
      windowFrom: instantOf(guard?.windowFromMs),
      approvedUntil: instantOf(guard?.approvedUntilMs),
    },
    letters: { parked, replaying },
  };
}

function instantOf(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString();
}
