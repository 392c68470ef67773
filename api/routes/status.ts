import { z } from 'zod';
import { reasonOf } from '../../core/errors.ts';
import { outcomes } from '../../core/outcome.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { DeadLetterStore } from '../../core/ports/dead-letter-store.ts';
import type { ReadStore, RoleView } from '../../core/ports/read-store.ts';
import type { TargetDesk } from '../../core/ports/target-desk.ts';
import type { VerificationDesk } from '../../core/ports/verification-desk.ts';
import { type LogEnds, readAccount } from '../accounting-reader.ts';
import { dataAnswer, instantAnswer } from '../parameters.ts';
import { isAlive, type Readiness, silentForMs } from '../readiness.ts';
import { declareRoute, type Route } from '../route.ts';
import { targetSummaries } from '../target-summary.ts';
import { throughAnswer } from './verify.ts';

export interface StatusDeps {
  readonly store: ReadStore;
  readonly deadLetterStore: DeadLetterStore;
  readonly ends: LogEnds;
  readonly targetDesk: TargetDesk;
  readonly verificationDesk: Pick<VerificationDesk, 'through'>;
  /** The configured ones, by name. */
  readonly targets: readonly string[];
  readonly readiness: Readiness;
  readonly clock: Clock;
  /** What does not change while this process runs. */
  readonly about: About;
}

export interface About {
  readonly version: string;
  readonly profile: string;
  /** Where the parts are: api, kafka, postgres, redis, registry. Never with a password. */
  readonly addresses: Readonly<Record<string, string>>;
  readonly keyFile: string | null;
}

const sumsAnswer = z.object(
  Object.fromEntries(outcomes.map((name) => [name, z.number().int()])) as Record<(typeof outcomes)[number], z.ZodNumber>,
);
const totals = {
  received: z.number().int(),
  outcomes: sumsAnswer,
  inFlight: z.number().int(),
  atRest: z.boolean(),
  balanced: z.boolean(),
};
const accountAnswer = z
  .object({
    ...totals,
    partitions: z
      .array(
        z.object({
          topic: z.string(),
          partition: z.number().int(),
          received: z.number().int(),
          outcomes: sumsAnswer,
          waitingForProcessor: z.number().int(),
          waitingForSyncManager: z.number().int(),
          balanced: z.boolean(),
          faults: z.array(z.string()).readonly(),
        }),
      )
      .readonly(),
  })
  .meta({ id: 'Account' });

const roleAnswer = z.object({
  role: z.string(),
  instance: z.string(),
  state: z.string(),
  alive: z.boolean(),
  reportedAt: instantAnswer,
  silentForMs: z
    .number()
    .int()
    .nullable()
    .describe('How long a process that should report has not: its state is what it said last, and it may be gone.'),
  details: dataAnswer,
});

const statusAnswer = z
  .object({
    version: z.string(),
    profile: z.string(),
    startedAt: instantAnswer,
    uptimeMs: z.number().int(),
    addresses: z.record(z.string(), z.string()).readonly(),
    keyFile: z.string().nullable(),
    ready: z.boolean(),
    notReady: z.array(z.object({ part: z.string(), reason: z.string() })).readonly(),
    roles: z.array(roleAnswer).readonly(),
    lag: z.object({ processor: z.number().int(), syncManager: z.number().int() }).nullable(),
    accounting: z.object(totals).nullable().describe('Null where it cannot be told: `unknown` says why.'),
    deadLetters: z.object({ waiting: z.number().int(), parked: z.number().int(), replaying: z.number().int() }).nullable(),
    targets: z
      .array(
        z.object({
          target: z.string(),
          state: z
            .enum(['running', 'paused', 'unreachable'])
            .describe(
              'paused: its guard waits for an approval; unreachable: it fails again and again and is left alone for a while.',
            ),
          reason: z.string().nullable(),
          letters: z.object({ parked: z.number().int(), replaying: z.number().int() }),
        }),
      )
      .readonly()
      .nullable(),
    verified: z.array(throughAnswer).readonly().nullable().describe('What was verified so far, per system and kind.'),
    unknown: z.array(z.string()).readonly(),
  })
  .meta({ id: 'Status' });

/** A process that stopped reporting is shown for so long. */
const shownAgeMsMax = 60_000;

export function statusRoutes(deps: StatusDeps): Route[] {
  const startedAtMs = deps.clock.nowMs();
  return [
    declareRoute({
      method: 'get',
      path: '/api/accounting',
      role: 'viewer',
      id: 'getAccounting',
      tag: 'Status',
      summary: 'For every raw partition: received = the sum of the outcomes + in flight.',
      answer: accountAnswer,
      handle: async () => (await readAccount(deps.store, deps.ends)).account,
    }),
    declareRoute({
      method: 'get',
      path: '/api/status',
      role: 'viewer',
      id: 'getStatus',
      tag: 'Status',
      summary: 'Everything at a glance: addresses, roles, lag, accounting, dead letters, targets.',
      answer: statusAnswer,
      handle: () => statusOf(deps, startedAtMs),
    }),
  ];
}

/** Says what can be told while a part is out: that is when it is asked. */
async function statusOf(deps: StatusDeps, startedAtMs: number): Promise<z.input<typeof statusAnswer>> {
  const unknown: string[] = [];
  const orNull = <T>(what: string, told: Promise<T>): Promise<T | null> =>
    told.catch((error: unknown) => {
      unknown.push(`${what}: ${reasonOf(error)}`);
      return null;
    });
  const [notReady, reports, reading, deadLetters] = await Promise.all([
    deps.readiness.notReady(),
    orNull('roles', deps.store.roleReports()),
    orNull('accounting', readAccount(deps.store, deps.ends)),
    orNull('dead letters', openLetters(deps.deadLetterStore)),
  ]);
  const { version, profile, addresses, keyFile } = deps.about;
  return {
    version,
    profile,
    startedAt: new Date(startedAtMs).toISOString(),
    uptimeMs: deps.clock.nowMs() - startedAtMs,
    addresses,
    keyFile,
    ready: notReady.length === 0,
    notReady,
    roles: (reports ?? []).filter((report) => report.ageMs <= shownAgeMsMax).map(roleOf),
    lag: reading?.lag ?? null,
    accounting: reading === null ? null : withoutPartitions(reading.account),
    deadLetters,
    targets: await orNull('targets', targetSummaries(deps.targetDesk, deps.targets, reports ?? [])),
    verified: await orNull('verifications', deps.verificationDesk.through()),
    unknown,
  };
}

function withoutPartitions<T extends { readonly partitions: unknown }>({
  partitions: _partitions,
  ...rest
}: T): Omit<T, 'partitions'> {
  return rest;
}

function roleOf(report: RoleView) {
  const { role, instance, state, details, reportedAt } = report;
  return { role, instance, state, alive: isAlive(report), reportedAt, silentForMs: silentForMs(report), details };
}

async function openLetters(store: DeadLetterStore) {
  const count = (status: 'waiting' | 'parked' | 'replaying') => store.count({ status: [status] });
  const [waiting, parked, replaying] = await Promise.all([count('waiting'), count('parked'), count('replaying')]);
  return { waiting, parked, replaying };
}
