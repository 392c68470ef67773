import type { Command } from 'commander';
import { z } from 'zod';
import type { RuntimeFile } from '../runtime-file.ts';
import { type ClientOptions, openApiClient, withClientOptions } from './api-client.ts';
import { sourcesSchema, stateOf as streamStateOf } from './sources.ts';
import { say, sayJson, tableOf } from './table.ts';

/** What a table shows of it; the rest goes through as it came. */
const statusSchema = z.looseObject({
  version: z.string(),
  profile: z.string(),
  ready: z.boolean(),
  notReady: z.array(z.object({ part: z.string(), reason: z.string() })),
  addresses: z.record(z.string(), z.string()),
  keyFile: z.string().nullable(),
  roles: z.array(
    z.looseObject({ role: z.string(), instance: z.string(), state: z.string(), silentForMs: z.number().nullable() }),
  ),
  lag: z.object({ processor: z.number(), syncManager: z.number() }).nullable(),
  accounting: z
    .looseObject({
      received: z.number(),
      outcomes: z.record(z.string(), z.number()),
      inFlight: z.number(),
      balanced: z.boolean(),
    })
    .nullable(),
  deadLetters: z.object({ waiting: z.number(), parked: z.number(), replaying: z.number() }).nullable(),
  targets: z
    .array(
      z.object({
        target: z.string(),
        state: z.string(),
        reason: z.string().nullable(),
        letters: z.object({ parked: z.number(), replaying: z.number() }),
      }),
    )
    .nullable(),
  unknown: z.array(z.string()),
});
type Status = z.infer<typeof statusSchema>;
type Sources = z.infer<typeof sourcesSchema>['sources'];

export function addStatusCommand(program: Command): void {
  withClientOptions(program.command('status'))
    .description('what runs where, how far it is, and whether the sum of all records is right')
    .addHelpText('after', '\nExample:\n  syncline status --json | jq .accounting')
    .action(async (options: ClientOptions) => {
      const client = openApiClient(options);
      const status = withLocalFacts(await client.get('/api/status', statusSchema), client.runtime);
      const { sources } = await client.get('/api/sources', sourcesSchema);
      if (options.json) sayJson({ ...status, sources });
      else say([describe(status), ...restingLines(sources)].join('\n'));
    });
}

/** Only what does not go on by itself: the rest is shown by `syncline sources list`. */
function restingLines(sources: Sources): string[] {
  return sources.flatMap(({ name, streams }) =>
    streams.flatMap((stream) => {
      const { reason, since } = stream;
      if (reason === null) return [];
      const sinceWhen = since === null ? '' : ` since ${since.slice(0, 19)}`;
      return [`source ${name} ${stream.stream} is ${streamStateOf(stream)}${sinceWhen}: ${reason}`];
    }),
  );
}

/** Whoever may read the runtime file may know the addresses with their passwords: a script can connect with them. */
function withLocalFacts(status: Status, runtime: RuntimeFile | null): Status {
  if (runtime === null) return status;
  const { pid, startedAt: _startedAt, keyFile, ...addresses } = runtime;
  return { ...status, pid, keyFile, addresses: { ...status.addresses, ...addresses } };
}

function describe(status: Status): string {
  const sections = [
    `Syncline ${status.version}, ${status.profile}, ${status.ready ? 'ready' : 'not ready'}`,
    ...status.notReady.map(({ part, reason }) => `  ${part}: ${reason}`),
    '',
    tableOf(
      ['part', 'address'],
      Object.entries(status.addresses).map(([part, address]) => [part, withoutPassword(address)]),
    ),
    ...(status.keyFile === null ? [] : [`key file: ${status.keyFile}`]),
    '',
    tableOf(
      ['role', 'state', 'process'],
      status.roles.map(({ role, state, silentForMs, instance }) => [role, stateOf(state, silentForMs), instance]),
    ),
    '',
    ...targetLines(status),
    ...lagLines(status),
    ...accountLines(status),
    ...status.unknown.map((what) => `unknown: ${what}`),
  ];
  return sections.join('\n');
}

/** A process that died says nothing of it: what it said last is no news. */
function stateOf(state: string, silentForMs: number | null): string {
  return silentForMs === null ? state : `no sign for ${Math.round(silentForMs / 1_000)} s, was ${state}`;
}

/** A table is read over shoulders; a script asks for --json. */
function withoutPassword(address: string): string {
  return address.replace(/(:\/\/[^:/@]*):[^@]*@/, '$1:…@');
}

function targetLines({ targets }: Status): string[] {
  if (targets === null || targets.length === 0) return [];
  const rows = targets.map(({ target, state, letters, reason }) => [target, state, String(letters.parked), reason ?? '']);
  return [tableOf(['target', 'state', 'refused', 'why'], rows), ''];
}

function lagLines({ lag, deadLetters }: Status): string[] {
  return [
    ...(lag === null ? [] : [`lag: processor ${lag.processor}, sync manager ${lag.syncManager}`]),
    ...(deadLetters === null
      ? []
      : [`dead letters: ${deadLetters.waiting} waiting, ${deadLetters.parked} parked, ${deadLetters.replaying} replaying`]),
  ];
}

function accountLines({ accounting }: Status): string[] {
  if (accounting === null) return [];
  const { received, outcomes, inFlight, balanced } = accounting;
  const sum = Object.entries(outcomes)
    .filter(([, records]) => records > 0)
    .map(([outcome, records]) => `${records} ${outcome}`);
  return [
    `accounting: ${received} received = ${[...sum, `${inFlight} in flight`].join(' + ')} (${balanced ? 'balanced' : 'NOT BALANCED'})`,
  ];
}
