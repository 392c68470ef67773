import type { Command } from 'commander';
import { z } from 'zod';
import { departureOf } from '../../core/identity/departure.ts';
import { type ClientOptions, openApiClient, withClientOptions } from './api-client.ts';
import { printable, say, sayJson, tableOf } from './table.ts';

const linksSchema = z.looseObject({
  entityId: z.string(),
  records: z.array(
    z.looseObject({
      source: z.string(),
      key: z.string(),
      matchKeys: z.array(z.string()).nullable(),
      gone: z.boolean(),
      inTransit: z.boolean(),
    }),
  ),
  matchKeys: z.array(z.string()),
  history: z.array(
    z.looseObject({
      source: z.string(),
      key: z.string(),
      reason: z.string(),
      entityId: z.string().nullable(),
      previous: z.string().nullable(),
      matchKey: z.string().nullable(),
      by: z.string().nullable(),
      at: z.string(),
    }),
  ),
  mergedInto: z.string().nullable(),
});
const orderedSchema = z.object({ eventIds: z.array(z.string()) });

export function addIdentityCommand(program: Command): void {
  const identity = program.command('identity').description('which records of which sources are one entity');
  addLinks(identity);
  withClientOptions(identity.command('link <source> <kind> <key> <entity>'))
    .description('move a record to another entity')
    .action((source: string, kind: string, key: string, entityId: string, options: ClientOptions) =>
      order('link', { source, kind, key, entityId }, options),
    );
  withClientOptions(identity.command('merge <from> <into>'))
    .description('move every record of one entity to another, which its match keys find from then on')
    .action((from: string, into: string, options: ClientOptions) => order('merge', { from, into }, options));
  withClientOptions(identity.command('split <source> <kind> <key>'))
    .description('give a record an entity of its own')
    .option('--entity <id>', 'what that entity shall be called')
    .action((source: string, kind: string, key: string, options: ClientOptions & { entity?: string }) => {
      const name = options.entity === undefined ? {} : { entityId: options.entity };
      return order('split', { source, kind, key, ...name }, options);
    });
}

function addLinks(identity: Command): void {
  withClientOptions(identity.command('links <entity>'))
    .description('the records of an entity, the match keys that find it, and how it came to that')
    .action(async (entity: string, options: ClientOptions) => {
      const links = await openApiClient(options).get(`/api/entities/${encodeURIComponent(entity)}/links`, linksSchema);
      if (options.json) return sayJson(links);
      const departure = departureOf(links);
      say(printable(departure === null ? links.entityId : `${links.entityId}: ${departure}`));
      if (links.matchKeys.length > 0) say(printable(`found by ${links.matchKeys.join(', ')}`));
      if (links.records.length + links.history.length === 0)
        return say('without match keys it is its key: nothing is linked to it');
      const records = links.records.map(({ source, key, gone, inTransit, matchKeys }) => [
        source,
        key,
        gone ? 'deleted' : inTransit ? 'moving' : '',
        (matchKeys ?? []).join(', '),
      ]);
      say(tableOf(['source', 'key', '', 'match keys'], records));
      const history = links.history.map((turn) => [
        turn.at.slice(0, 19),
        turn.reason,
        turn.source,
        turn.key,
        turn.previous ?? '',
        turn.entityId ?? '',
        turn.by ?? turn.matchKey ?? '',
      ]);
      if (history.length > 0) say(tableOf(['at', 'what', 'source', 'key', 'from', 'to', 'by'], history));
    });
}

async function order(what: 'link' | 'merge' | 'split', body: object, options: ClientOptions): Promise<void> {
  const ordered = await openApiClient(options).post(`/api/identity/${what}`, body, orderedSchema);
  if (options.json) sayJson(ordered);
  else say(ordered.eventIds.length === 0 ? 'nothing is left to move' : `ordered: ${ordered.eventIds.join(', ')}`);
}
