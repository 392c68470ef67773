import type { Command } from 'commander';
import { z } from 'zod';
import { differenceKinds } from '../../core/differences/difference.ts';
import { type ApiClient, type ClientOptions, isInvalidRequest, openApiClient, withClientOptions } from './api-client.ts';
import { oneOf, wholeNumber } from './arguments.ts';
import { say, sayJson, tableOf } from './table.ts';

const listedMax = 500;
const shownCharactersMax = 100;

const pageSchema = z.object({
  items: z.array(
    z.object({
      entityId: z.string(),
      leftSource: z.string(),
      rightSource: z.string(),
      entityKind: z.string(),
      kind: z.string(),
      fields: z.record(z.string(), z.object({ left: z.unknown().optional(), right: z.unknown().optional() })),
      since: z.string(),
    }),
  ),
  next: z.string().nullable(),
});
const summarySchema = z.object({
  pairs: z.array(
    z.object({
      leftSource: z.string(),
      rightSource: z.string(),
      entityKind: z.string(),
      state: z.string(),
      onlyLeft: z.number(),
      onlyRight: z.number(),
      differs: z.number(),
    }),
  ),
});
const rebuildSchema = z.object({ pairs: z.number() });

interface DifferencesOptions extends ClientOptions {
  readonly left?: string;
  readonly right?: string;
  readonly kind?: string;
  readonly entity?: string;
  readonly difference?: string;
  readonly field?: string;
  readonly limit?: number;
  readonly cursor?: string;
  readonly summary?: boolean;
  readonly rebuild?: boolean;
}

export function addDifferencesCommand(program: Command): void {
  withClientOptions(program.command('differences'))
    .description('entities that two compared sources hold differently')
    .option('--summary', 'only how many there are, per pair of sources and kind')
    .option('--rebuild', 'compare everything of the pairs that --left, --right and --kind name anew')
    .option('--left <source>', 'only pairs with this left source')
    .option('--right <source>', 'only pairs with this right source')
    .option('--kind <kind>', 'only this kind of entity')
    .option('--entity <id>', 'only this entity')
    .option('--difference <difference>', differenceKinds.join(', '), oneOf(differenceKinds))
    .option('--field <field>', 'only where this field differs')
    .option('--limit <number>', 'at most so many', wholeNumber('a number', 1, listedMax))
    .option('--cursor <cursor>', 'where the page before ended')
    .action(async (options: DifferencesOptions, command: Command) => {
      if (options.summary && options.rebuild) command.error('error: --summary or --rebuild, not both');
      const client = openApiClient(options);
      try {
        await answer(client, options);
      } catch (error) {
        if (!isInvalidRequest(error)) throw error;
        command.error(`error: ${error.message}`);
      }
    });
}

function answer(client: ApiClient, options: DifferencesOptions): Promise<void> {
  if (options.rebuild) return rebuild(client, options);
  return options.summary ? summarize(client, options) : list(client, options);
}

async function list(client: ApiClient, options: DifferencesOptions): Promise<void> {
  const { left, right, kind, entity, difference, field, limit, cursor } = options;
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ left, right, kind, entity_id: entity, difference, field, limit, cursor })) {
    if (value !== undefined) query.set(name, String(value));
  }
  const page = await client.get(`/api/differences?${query}`, pageSchema);
  if (options.json) return sayJson(page);
  const rows = page.items.map((item) => [
    item.entityId,
    `${item.leftSource} ${item.rightSource}`,
    item.kind,
    item.since.slice(0, 19),
    fieldsText(item.fields),
  ]);
  const none = 'nothing differs, as far as sources are compared: `syncline differences --summary` shows which are';
  say(tableOf(['entity', 'left and right', 'difference', 'since', 'fields'], rows, none));
  if (page.next !== null) say(`more: --cursor ${page.next}`);
}

async function summarize(client: ApiClient, options: DifferencesOptions): Promise<void> {
  const summary = await client.get('/api/differences/summary', summarySchema);
  if (options.json) return sayJson(summary);
  if (summary.pairs.length === 0) return say('no sources are compared: name pairs under `differences:` in the configuration');
  const rows = summary.pairs.map((pair) => [
    pair.leftSource,
    pair.rightSource,
    pair.entityKind,
    pair.state,
    ...[pair.onlyLeft, pair.onlyRight, pair.differs].map(String),
  ]);
  say(tableOf(['left', 'right', 'kind', 'state', 'only left', 'only right', 'differs'], rows));
}

async function rebuild(client: ApiClient, { left, right, kind, json }: DifferencesOptions): Promise<void> {
  const answer = await client.post('/api/differences/rebuild', { left, right, kind }, rebuildSchema);
  if (json) return sayJson(answer);
  say(`${answer.pairs} pairs are compared anew: \`syncline differences --summary\` shows when they are exact`);
}

function fieldsText(fields: Readonly<Record<string, { left?: unknown; right?: unknown }>>): string {
  const texts = Object.entries(fields).map(([field, { left, right }]) => `${field}: ${valueText(left)} | ${valueText(right)}`);
  const text = texts.join(', ');
  return text.length <= shownCharactersMax ? text : `${text.slice(0, shownCharactersMax)}…`;
}

function valueText(value: unknown): string {
  return value === undefined ? '-' : JSON.stringify(value);
}
