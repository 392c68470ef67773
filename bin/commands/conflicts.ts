import { type Command, InvalidArgumentError } from 'commander';
import { z } from 'zod';
import { conflictStatuses, conflictTypes } from '../../core/conflict/conflict.ts';
import { parseExact } from '../../core/json.ts';
import { type ClientOptions, openApiClient, withClientOptions } from './api-client.ts';
import { oneOf, wholeNumber } from './arguments.ts';
import { printable, say, sayJson, tableOf } from './table.ts';

const listedMax = 500;
const valueCharactersMax = 60;

const sideSchema = z.object({ source: z.string(), atMs: z.number(), value: z.unknown().optional() });
const fieldSchema = z.looseObject({
  status: z.string(),
  rule: z.string(),
  holder: z.string(),
  base: z.unknown().optional(),
  value: z.unknown().optional(),
  sides: z.array(sideSchema),
});
const conflictSchema = z.looseObject({
  conflictId: z.string(),
  entityId: z.string(),
  conflictType: z.string(),
  status: z.string(),
  resolution: z.string(),
  fields: z.array(z.string()),
  createdAt: z.string(),
  details: z.looseObject({
    target: z.string().optional(),
    letter: z.string().optional(),
    reason: z.string().optional(),
    fields: z.record(z.string(), fieldSchema).optional(),
  }),
});
const pageSchema = z.object({ items: z.array(conflictSchema), next: z.string().nullable() });
const decidedSchema = z.object({ eventId: z.string(), conflictId: z.string() });

interface ListOptions extends ClientOptions {
  readonly status?: string;
  readonly entity?: string;
  readonly kind?: string;
  readonly source?: string;
  readonly type?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

type Pairs = readonly (readonly [string, string])[];

interface ResolveOptions extends ClientOptions {
  readonly choose?: string;
  readonly side?: Pairs;
  readonly value?: Pairs;
}

export function addConflictsCommand(program: Command): void {
  const conflicts = program.command('conflicts').description('conflicts between sources, and decisions about open ones');
  addList(conflicts);
  addShow(conflicts);
  addResolve(conflicts);
  addSkip(conflicts);
}

function addList(conflicts: Command): void {
  withClientOptions(conflicts.command('list'))
    .description('list conflicts, the latest first')
    .option('--status <status>', conflictStatuses.join(', '), oneOf(conflictStatuses))
    .option('--entity <id>', 'only of this entity')
    .option('--kind <kind>', 'only of this kind of entity')
    .option('--source <source>', 'only those a change of this source brought')
    .option('--type <type>', conflictTypes.join(', '), oneOf(conflictTypes))
    .option('--limit <number>', 'at most so many', wholeNumber('a number', 1, listedMax))
    .option('--cursor <cursor>', 'where the page before ended')
    .action(async (options: ListOptions) => {
      const { status, entity, kind, source, type, limit, cursor } = options;
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries({ status, entity_id: entity, kind, source, type, limit, cursor })) {
        if (value !== undefined) query.set(name, String(value));
      }
      const page = await openApiClient(options).get(`/api/conflicts?${query}`, pageSchema);
      if (options.json) return sayJson(page);
      const rows = page.items.map((conflict) => [
        conflict.conflictId,
        conflict.status,
        conflict.createdAt.slice(0, 19),
        conflict.conflictType,
        conflict.resolution,
        conflict.entityId,
        conflict.fields.join(' '),
      ]);
      say(
        tableOf(
          ['id', 'status', 'since', 'type', 'decided by, or waits for', 'entity', 'fields'],
          rows,
          'there is no such conflict',
        ),
      );
      if (page.next !== null) say(`more: --cursor ${page.next}`);
    });
}

function addShow(conflicts: Command): void {
  withClientOptions(conflicts.command('show <id>'))
    .description('show one conflict with its sides')
    .action(async (id: string, options: ClientOptions) => {
      const conflict = await openApiClient(options).get(pathOf(id), conflictSchema);
      if (options.json) return sayJson(conflict);
      say(printable(`${conflict.entityId}: ${conflict.conflictType}, ${conflict.status} (${conflict.resolution})`));
      const { target, letter, reason } = conflict.details;
      if (letter !== undefined) {
        say(printable(`${target} refused it: ${reason}`));
        return say(printable(`its letter: syncline targets replay | discard ${letter}`));
      }
      const rows = Object.entries(conflict.details.fields ?? {}).flatMap(([name, field]) => [
        [name, field.status, 'before', '', textOf(field.base)],
        ...field.sides.map(({ source, atMs, value }) => {
          const mark = source === field.holder ? ' (stands)' : '';
          return ['', '', `${source}${mark}`, new Date(atMs).toISOString(), textOf(value)];
        }),
      ]);
      say(tableOf(['field', 'status', 'side', 'at', 'value'], rows));
    });
}

function addResolve(conflicts: Command): void {
  withClientOptions(conflicts.command('resolve <id>'))
    .description('decide an open conflict; fields that are left out stay open')
    .option('--choose <source>', 'the side whose values hold, for all fields')
    .option('--side <field=source>', 'the side whose value holds, for one field; may be given several times', pairs)
    .option('--value <field=value>', 'a new value as JSON, or as text; may be given several times', pairs)
    .action(async (id: string, options: ResolveOptions, command: Command) => {
      const { choose, side, value } = options;
      if ([choose, side, value].filter((given) => given !== undefined).length !== 1) {
        command.error('error: say one of --choose, --side and --value');
      }
      const ruling = value === undefined ? { choose: choose ?? Object.fromEntries(side!) } : { fields: valuesOf(value) };
      await decide(id, ruling, options);
    });
}

function addSkip(conflicts: Command): void {
  withClientOptions(conflicts.command('skip <id>'))
    .description('close a conflict and leave the record as it is')
    .action((id: string, options: ClientOptions) => decide(id, { skip: true }, options));
}

async function decide(id: string, ruling: object, options: ClientOptions): Promise<void> {
  const decided = await openApiClient(options).post(`${pathOf(id)}/resolve`, ruling, decidedSchema);
  if (options.json) sayJson(decided);
  else say(`decided: event ${decided.eventId} is on its way`);
}

function pathOf(id: string): string {
  return `/api/conflicts/${encodeURIComponent(id)}`;
}

function pairs(text: string, before: Pairs = []): Pairs {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Expected field=value.');
  return [...before, [text.slice(0, at), text.slice(at + 1)]];
}

/** What is no JSON is text: `title=Blue cup` needs no quotes inside quotes. */
function valuesOf(given: Pairs): Record<string, unknown> {
  return Object.fromEntries(given.map(([field, text]) => [field, jsonOr(text)]));
}

function jsonOr(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    return text;
  }
}

function textOf(value: unknown): string {
  return value === undefined ? '(absent)' : JSON.stringify(value).slice(0, valueCharactersMax);
}
