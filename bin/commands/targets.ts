import type { Command } from 'commander';
import { z } from 'zod';
import { targetLetterStatuses } from '../../core/ports/target-store.ts';
import { type ClientOptions, openApiClient, withClientOptions } from './api-client.ts';
import { oneOf, wholeNumber } from './arguments.ts';
import { say, sayJson, tableOf } from './table.ts';

const listedMax = 500;
const replayedMax = 10_000;

const targetSchema = z.looseObject({
  name: z.string(),
  kinds: z.array(z.string()),
  guard: z.looseObject({
    state: z.string(),
    reason: z.string().nullable(),
    known: z.number(),
    approvedUntil: z.string().nullable(),
  }),
  letters: z.object({ parked: z.number(), replaying: z.number() }),
});
const targetsSchema = z.object({ targets: z.array(targetSchema) });
const letterSchema = z.looseObject({
  id: z.string(),
  target: z.string(),
  entityId: z.string(),
  code: z.string(),
  reason: z.string(),
  status: z.string(),
  failedAt: z.string(),
});
const pageSchema = z.object({ items: z.array(letterSchema), next: z.string().nullable() });
const replayedSchema = z.object({ replayed: z.number(), remaining: z.number() });

interface FilterOptions extends ClientOptions {
  readonly status?: string;
  readonly target?: string;
  readonly kind?: string;
  readonly code?: string;
  readonly entity?: string;
  readonly limit?: number;
}

export function addTargetsCommand(program: Command): void {
  const targets = program.command('targets').description('the systems that are written to, and the records they refused');
  addList(targets);
  addApprove(targets);
  addLetters(targets);
  addReplay(targets);
  addDiscard(targets);
}

function addList(targets: Command): void {
  withClientOptions(targets.command('list'))
    .description('list the targets, with what holds them back')
    .action(async (options: ClientOptions) => {
      const answer = await openApiClient(options).get('/api/targets', targetsSchema);
      if (options.json) return sayJson(answer);
      if (answer.targets.length === 0) return say('no target is configured: name one under `targets:`');
      const rows = answer.targets.map(({ name, kinds, guard, letters }) => [
        name,
        guard.state,
        kinds.join(', '),
        String(guard.known),
        String(letters.parked),
        String(letters.replaying),
        guard.reason ?? '',
      ]);
      say(tableOf(['target', 'state', 'kinds', 'records', 'parked', 'replaying', 'why paused'], rows));
    });
}

function addApprove(targets: Command): void {
  withClientOptions(targets.command('approve <name>'))
    .description('let a target go on that its guard has paused')
    .action(async (name: string, options: ClientOptions) => {
      const path = `/api/targets/${encodeURIComponent(name)}/approve`;
      const target = await openApiClient(options).post(path, undefined, targetSchema);
      if (options.json) sayJson(target);
      else say(`${target.name} is ${target.guard.state}; nothing is held back until ${target.guard.approvedUntil}`);
    });
}

function addLetters(targets: Command): void {
  withFilter(withClientOptions(targets.command('letters')), listedMax)
    .description('list records that a target refused, the latest first')
    .option('--status <status>', targetLetterStatuses.join(', '), oneOf(targetLetterStatuses))
    .option('--cursor <cursor>', 'where the page before ended')
    .action(async (options: FilterOptions & { cursor?: string }) => {
      const query = new URLSearchParams();
      const { entityId, ...filter } = filterOf(options);
      for (const [name, value] of Object.entries(filter)) query.set(name, String(value));
      if (entityId !== undefined) query.set('entity_id', String(entityId));
      if (options.cursor !== undefined) query.set('cursor', options.cursor);
      const page = await openApiClient(options).get(`/api/targets/letters?${query}`, pageSchema);
      if (options.json) return sayJson(page);
      const rows = page.items.map((letter) => [
        letter.id,
        letter.status,
        letter.failedAt.slice(0, 19),
        letter.target,
        letter.entityId.slice(0, 60),
        letter.code,
        letter.reason.slice(0, 80),
      ]);
      say(tableOf(['id', 'status', 'failed at', 'target', 'entity', 'code', 'reason'], rows, 'there is no such letter'));
      if (page.next !== null) say(`more: --cursor ${page.next}`);
    });
}

function addReplay(targets: Command): void {
  withFilter(withClientOptions(targets.command('replay [id]')), replayedMax)
    .description('have one record written again, or with --all those a filter finds; doing it twice is harmless')
    .option('--all', 'every parked letter the filter finds, at most --limit')
    .action(async (id: string | undefined, options: FilterOptions & { all?: boolean }, command: Command) => {
      if ((id === undefined) === (options.all !== true)) command.error('error: name one letter, or say --all');
      const client = openApiClient(options);
      if (id !== undefined) {
        const letter = await client.post(`/api/targets/letters/${encodeURIComponent(id)}/replay`, undefined, letterSchema);
        return options.json ? sayJson(letter) : say(`${letter.id} is ${letter.status}`);
      }
      const answer = await client.post('/api/targets/letters/replay', filterOf(options), replayedSchema);
      return options.json ? sayJson(answer) : say(`${answer.replayed} replayed, ${answer.remaining} remain`);
    });
}

function addDiscard(targets: Command): void {
  withClientOptions(targets.command('discard <id>'))
    .description('give a letter up; who did it and why is kept')
    .requiredOption('--reason <text>', 'why')
    .action(async (id: string, options: ClientOptions & { reason: string }) => {
      const path = `/api/targets/letters/${encodeURIComponent(id)}/discard`;
      const letter = await openApiClient(options).post(path, { reason: options.reason }, letterSchema);
      if (options.json) sayJson(letter);
      else say(`${letter.id} is ${letter.status}`);
    });
}

function withFilter(command: Command, limitMax: number): Command {
  return command
    .option('--target <target>', 'only of this target')
    .option('--kind <kind>', 'only of this kind of entity')
    .option('--code <code>', 'only with this error code')
    .option('--entity <id>', 'only of this entity')
    .option('--limit <number>', 'at most so many', wholeNumber('a number', 1, limitMax));
}

function filterOf({ status, target, kind, code, entity, limit }: FilterOptions): Record<string, string | number> {
  const given = Object.entries({ status, target, kind, code, entityId: entity, limit });
  return Object.fromEntries(given.filter((entry): entry is [string, string | number] => entry[1] !== undefined));
}
