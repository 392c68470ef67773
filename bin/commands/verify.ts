import type { Command } from 'commander';
import { z } from 'zod';
import { type ApiClient, type ClientOptions, openApiClient, withClientOptions } from './api-client.ts';
import { eachOf, wholeNumber } from './arguments.ts';
import { say, sayJson, tableOf } from './table.ts';
import { waitFor } from './waiting.ts';

const shownFindingsMax = 100;
const differs = 1;
const failed = 2;

const partSchema = z.looseObject({
  system: z.string(),
  kind: z.string(),
  state: z.string(),
  records: z.number(),
  findings: z.number(),
  moving: z.number(),
  reason: z.string().nullable(),
});
const verificationSchema = z.looseObject({ id: z.string(), state: z.string(), records: z.number(), findings: z.number() });
const wholeSchema = verificationSchema.extend({ parts: z.array(partSchema) });
type Verification = z.infer<typeof wholeSchema>;
const findingSchema = z.looseObject({
  system: z.string(),
  kind: z.string(),
  finding: z.string(),
  entityId: z.string().nullable(),
  key: z.string().nullable(),
  fields: z.array(z.string()),
  reason: z.string().nullable(),
});
const pageSchema = z.object({ items: z.array(findingSchema), next: z.string().nullable() });
const throughSchema = z.object({
  verified: z.array(
    z.object({
      system: z.string(),
      kind: z.string(),
      through: z.string().nullable(),
      findings: z.number(),
      moving: z.number(),
      checkedAt: z.string(),
    }),
  ),
});

interface VerifyOptions extends ClientOptions {
  readonly system?: string[];
  readonly kind?: string[];
  readonly settle?: number;
  readonly wait?: boolean;
  readonly show?: string;
  readonly cancel?: string;
  readonly through?: boolean;
}

export function addVerifyCommand(program: Command): void {
  withClientOptions(program.command('verify'))
    .description('compare sources, states and targets while the stream runs')
    .option('--system <name>', 'only this source or target, or `tables`; may be given again', eachOf)
    .option('--kind <kind>', 'only this kind of entity; may be given again', eachOf)
    .option(
      '--settle <seconds>',
      'how long a system may take to tell of its changes (default: 5)',
      wholeNumber('seconds', 0, 600),
    )
    .option('--wait', 'show how far it is, and end when it has ended')
    .option('--show <id>', 'show a verification that was started before')
    .option('--cancel <id>', 'end a verification')
    .option('--through', 'show up to when each system was found equal')
    .addHelpText(
      'after',
      '\nEnds with code 0 where all is equal, 1 where something differs, 2 where something could not be verified.',
    )
    .action(async (options: VerifyOptions, command: Command) => {
      if ([options.show, options.cancel, options.through].filter((one) => one !== undefined).length > 1) {
        command.error('error: --show, --cancel or --through, one of them');
      }
      await answer(openApiClient(options), options);
    });
}

async function answer(client: ApiClient, options: VerifyOptions): Promise<void> {
  if (options.through) return showThrough(client, options);
  if (options.cancel !== undefined) {
    const cancelled = await client.post(`${pathOf(options.cancel)}/cancel`, undefined, verificationSchema);
    return options.json ? sayJson(cancelled) : say(`verification ${cancelled.id} ends`);
  }
  const id = options.show ?? (await start(client, options));
  const shown = options.wait ? await follow(client, id, options) : await client.get(pathOf(id), wholeSchema);
  if (shown === undefined) return;
  if (shown.state === 'waiting' || shown.state === 'running') {
    if (options.json) return sayJson(shown);
    if (options.show !== undefined) say(partsTable(shown));
    return say(`verification ${id} is ${shown.state}: \`syncline verify --show ${id}\` shows how far it is`);
  }
  await conclude(client, shown, options);
}

async function start(client: ApiClient, { system = [], kind = [], settle }: VerifyOptions): Promise<string> {
  const body = { systems: system, kinds: kind, ...(settle === undefined ? {} : { settleSeconds: settle }) };
  return (await client.post('/api/verifications', body, verificationSchema)).id;
}

/** Undefined where the waiting was broken off. */
function follow(client: ApiClient, id: string, { json }: VerifyOptions): Promise<Verification | undefined> {
  return waitFor({
    ask: () => client.get(pathOf(id), wholeSchema),
    isOver: ({ state }) => state !== 'waiting' && state !== 'running',
    lines: json ? undefined : progressLines,
    brokenOff: `verification ${id} goes on: \`syncline verify --show ${id}\` shows it, \`--cancel ${id}\` ends it`,
  });
}

function progressLines({ parts }: Verification): string[] {
  return parts
    .filter(({ state }) => state !== 'waiting')
    .map(
      ({ system, kind, state, records, findings }) => `${system} ${kind}: ${state}, ${records} records, ${findings} to look at`,
    );
}

async function conclude(client: ApiClient, shown: Verification, { json }: VerifyOptions): Promise<void> {
  const page = await client.get(`${pathOf(shown.id)}/findings?state=found&limit=${shownFindingsMax}`, pageSchema);
  process.exitCode = shown.state === 'equal' ? 0 : shown.state === 'differs' ? differs : failed;
  if (json) return sayJson({ ...shown, found: page.items, moreFound: page.next !== null });
  say(partsTable(shown));
  if (page.items.length > 0) {
    const rows = page.items.map((item) => [
      item.system,
      item.kind,
      item.finding,
      item.key ?? item.entityId ?? '',
      item.fields.join(', '),
      item.reason ?? '',
    ]);
    say(`\n${tableOf(['system', 'kind', 'finding', 'record', 'fields', 'reason'], rows)}`);
    if (page.next !== null) say('more: GET /api/verifications/{id}/findings');
    say(`\n\`syncline repair --dry-run ${shown.id}\` shows what would be done about it`);
  }
  say(`verification ${shown.id}: ${shown.state}`);
}

async function showThrough(client: ApiClient, { json }: VerifyOptions): Promise<void> {
  const answer = await client.get('/api/verifications/through', throughSchema);
  if (json) return sayJson(answer);
  const rows = answer.verified.map(({ system, kind, through, findings, moving, checkedAt }) => [
    system,
    kind,
    through?.slice(0, 19) ?? 'never',
    String(findings),
    String(moving),
    checkedAt.slice(0, 19),
  ]);
  const none = 'nothing was verified so far: `syncline verify --wait` does it';
  say(tableOf(['system', 'kind', 'equal up to', 'findings', 'moving', 'verified last'], rows, none));
}

function partsTable({ parts }: Verification): string {
  const rows = parts.map(({ system, kind, state, records, findings, moving, reason }) => [
    system,
    kind,
    state,
    ...[records, findings, moving].map(String),
    reason ?? '',
  ]);
  return tableOf(['system', 'kind', 'state', 'records', 'findings', 'moving', 'reason'], rows);
}

function pathOf(id: string): string {
  return `/api/verifications/${encodeURIComponent(id)}`;
}
