import type { Command } from 'commander';
import { z } from 'zod';
import { deadLetterStatuses } from '../../core/ports/dead-letter-store.ts';
import { type ClientOptions, openApiClient, withClientOptions } from './api-client.ts';
import { oneOf, wholeNumber } from './arguments.ts';
import { printable, say, sayJson, tableOf } from './table.ts';

const listedMax = 500;
const replayedMax = 10_000;

const letterSchema = z.looseObject({
  id: z.string(),
  topic: z.string(),
  partition: z.number(),
  offset: z.number(),
  source: z.string(),
  kind: z.string(),
  key: z.string().nullable(),
  code: z.string(),
  reason: z.string(),
  status: z.string(),
  attempts: z.number(),
  failedAt: z.string(),
});
const pageSchema = z.object({ items: z.array(letterSchema), next: z.string().nullable() });
const bodySchema = z.object({ encoding: z.enum(['json', 'text', 'base64']), content: z.unknown() }).nullable();
const letterWithBodySchema = letterSchema.extend({ body: bodySchema, details: z.record(z.string(), z.unknown()) });
const replayedSchema = z.object({ replayed: z.number(), remaining: z.number() });

interface FilterOptions extends ClientOptions {
  readonly status?: string;
  readonly source?: string;
  readonly kind?: string;
  readonly code?: string;
  readonly limit?: number;
}

export function addDlqCommand(program: Command): void {
  const dlq = program.command('dlq').description('dead letters: records that a stage could not process');
  addList(dlq);
  addShow(dlq);
  addReplay(dlq);
  addDiscard(dlq);
}

function addList(dlq: Command): void {
  withFilter(withClientOptions(dlq.command('list')), listedMax)
    .description('list dead letters, the latest first')
    .option('--status <status>', deadLetterStatuses.join(', '), oneOf(deadLetterStatuses))
    .option('--cursor <cursor>', 'where the page before ended')
    .action(async (options: FilterOptions & { cursor?: string }) => {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(filterOf(options))) query.set(name, String(value));
      if (options.cursor !== undefined) query.set('cursor', options.cursor);
      const page = await openApiClient(options).get(`/api/dead-letters?${query}`, pageSchema);
      if (options.json) return sayJson(page);
      const rows = page.items.map((letter) => [
        letter.id,
        letter.status,
        letter.failedAt.slice(0, 19),
        `${letter.source}.${letter.kind}`,
        (letter.key ?? '').slice(0, 40),
        letter.code,
        letter.reason.slice(0, 80),
      ]);
      say(tableOf(['id', 'status', 'failed at', 'from', 'key', 'code', 'reason'], rows, 'there is no such dead letter'));
      if (page.next !== null) say(`more: --cursor ${page.next}`);
    });
}

function addShow(dlq: Command): void {
  withClientOptions(dlq.command('show <id>'))
    .description('show one dead letter with its bytes')
    .action(async (id: string, options: ClientOptions) => {
      const letter = await openApiClient(options).get(`/api/dead-letters/${encodeURIComponent(id)}`, letterWithBodySchema);
      if (options.json) return sayJson(letter);
      const { body, details, ...facts } = letter;
      say(
        tableOf(
          ['field', 'value'],
          Object.entries(facts).map(([field, value]) => [field, String(value ?? '')]),
        ),
      );
      say(`details  ${printable(JSON.stringify(details))}`);
      if (body === null) say('body: none');
      else
        say(
          `body (${body.encoding}):\n${typeof body.content === 'string' ? printable(body.content) : JSON.stringify(body.content, null, 2)}`,
        );
    });
}

function addReplay(dlq: Command): void {
  withFilter(withClientOptions(dlq.command('replay [id]')), replayedMax)
    .description('try one dead letter again, or with --all those a filter finds; doing it twice is harmless')
    .option('--all', 'every waiting or parked letter the filter finds, at most --limit')
    .option('--status <status>', 'waiting or parked (default: both)', oneOf(['waiting', 'parked']))
    .action(async (id: string | undefined, options: FilterOptions & { all?: boolean }, command: Command) => {
      if ((id === undefined) === (options.all !== true)) command.error('error: name one dead letter, or say --all');
      const client = openApiClient(options);
      if (id !== undefined) {
        const letter = await client.post(`/api/dead-letters/${encodeURIComponent(id)}/replay`, undefined, letterSchema);
        return options.json ? sayJson(letter) : say(`${letter.id} is ${letter.status}`);
      }
      const body = filterOf(options);
      const answer = await client.post('/api/dead-letters/replay', body, replayedSchema);
      return options.json ? sayJson(answer) : say(`${answer.replayed} replayed, ${answer.remaining} remain`);
    });
}

function addDiscard(dlq: Command): void {
  withClientOptions(dlq.command('discard <id>'))
    .description('give a dead letter up; who did it and why is kept')
    .requiredOption('--reason <text>', 'why')
    .action(async (id: string, options: ClientOptions & { reason: string }) => {
      const path = `/api/dead-letters/${encodeURIComponent(id)}/discard`;
      const letter = await openApiClient(options).post(path, { reason: options.reason }, letterSchema);
      if (options.json) sayJson(letter);
      else say(`${letter.id} is ${letter.status}`);
    });
}

function withFilter(command: Command, limitMax: number): Command {
  return command
    .option('--source <source>', 'only of this source')
    .option('--kind <kind>', 'only of this kind of entity')
    .option('--code <code>', 'only with this error code')
    .option('--limit <number>', 'at most so many', wholeNumber('a number', 1, limitMax));
}

function filterOf({ status, source, kind, code, limit }: FilterOptions): Record<string, string | number> {
  const given = Object.entries({ status, source, kind, code, limit });
  return Object.fromEntries(given.filter((entry): entry is [string, string | number] => entry[1] !== undefined));
}
