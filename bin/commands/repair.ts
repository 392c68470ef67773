import type { Command } from 'commander';
import { z } from 'zod';
import { type ApiClient, type ClientOptions, openApiClient, withClientOptions } from './api-client.ts';
import { say, sayJson, tableOf } from './table.ts';
import { waitFor } from './waiting.ts';

const pageItems = 500;
const differs = 1;
const failed = 2;

const repairSchema = z.looseObject({
  id: z.string(),
  verificationId: z.string(),
  state: z.string(),
  dryRun: z.boolean(),
  reason: z.string().nullable(),
  outcomes: z.record(z.string(), z.number()),
});
type Repair = z.infer<typeof repairSchema>;
const itemSchema = z.looseObject({
  system: z.string(),
  kind: z.string(),
  entityId: z.string().nullable(),
  key: z.string().nullable(),
  finding: z.string(),
  fields: z.array(z.string()),
  action: z.string(),
  outcome: z.string(),
  reason: z.string().nullable(),
});
const pageSchema = z.object({ items: z.array(itemSchema), next: z.string().nullable() });

interface RepairOptions extends ClientOptions {
  readonly dryRun?: boolean;
  readonly deleteUnknown?: boolean;
  readonly wait: boolean;
}

export function addRepairCommand(program: Command): void {
  withClientOptions(program.command('repair [verification]'))
    .description('bring back what a verification found, by default the last one, through the pipeline')
    .option('--dry-run', 'only show what would be done')
    .option('--delete-unknown', 'also delete rows of a target that nobody ever told of')
    .option('--no-wait', 'do not wait until it has ended')
    .addHelpText(
      'after',
      '\nEnds with code 0 where everything is equal again, or was only shown; 1 where something still differs; 2 where it failed.',
    )
    .action(async (verification: string | undefined, options: RepairOptions) => {
      const client = openApiClient(options);
      const { dryRun = false, deleteUnknown = false } = options;
      const begun = await client.post('/api/repairs', { verification, dryRun, deleteUnknown }, repairSchema);
      const ended = options.wait ? await follow(client, begun, options) : begun;
      if (ended !== undefined) await conclude(client, ended, options);
    });
}

function follow(client: ApiClient, { id }: Repair, { json }: RepairOptions): Promise<Repair | undefined> {
  return waitFor({
    ask: () => client.get(`/api/repairs/${id}`, repairSchema),
    isOver: ({ state }) => state !== 'waiting' && state !== 'running',
    lines: json ? undefined : (repair) => [outcomesText(repair)],
    brokenOff: `repair ${id} goes on: GET /api/repairs/${id} shows it`,
  });
}

async function conclude(client: ApiClient, repair: Repair, { json }: RepairOptions): Promise<void> {
  const { differs: still = 0, left = 0 } = repair.outcomes;
  if (repair.state === 'failed') process.exitCode = failed;
  else if (!repair.dryRun && still + left > 0) process.exitCode = differs;
  const items = await itemsOf(client, repair.id);
  if (json) return sayJson({ ...repair, items });
  const rows = items.map((item) => [
    item.system,
    item.kind,
    item.key ?? item.entityId ?? '',
    item.finding,
    item.fields.join(', '),
    item.action,
    item.outcome,
    item.reason ?? '',
  ]);
  if (rows.length > 0) say(tableOf(['system', 'kind', 'record', 'finding', 'fields', 'action', 'outcome', 'reason'], rows));
  if (repair.reason !== null) say(repair.reason);
  say(`repair ${repair.id}${repair.dryRun ? ' (dry run: nothing was changed)' : ''}: ${repair.state}, ${outcomesText(repair)}`);
}

async function itemsOf(client: ApiClient, id: string): Promise<z.infer<typeof itemSchema>[]> {
  const items: z.infer<typeof itemSchema>[] = [];
  for (let cursor = ''; ; ) {
    const page = await client.get(`/api/repairs/${id}/items?limit=${pageItems}${cursor}`, pageSchema);
    items.push(...page.items);
    if (page.next === null) return items;
    cursor = `&cursor=${encodeURIComponent(page.next)}`;
  }
}

function outcomesText({ outcomes, state }: Repair): string {
  const told = Object.entries(outcomes).filter(([, items]) => items > 0);
  if (told.length === 0) return state === 'waiting' || state === 'running' ? 'looking' : 'nothing to do';
  return told.map(([outcome, items]) => `${items} ${outcome}`).join(', ');
}
