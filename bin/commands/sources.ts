import type { Command } from 'commander';
import { z } from 'zod';
import { connectorNamed } from '../../connectors/registry.ts';
import { type ClientOptions, openApiClient, withClientOptions } from './api-client.ts';
import { say, sayJson, tableOf } from './table.ts';

const streamSchema = z.looseObject({
  stream: z.string(),
  state: z.string(),
  phase: z.string(),
  errorCode: z.string().nullable(),
  reason: z.string().nullable(),
  since: z.string().nullable(),
  rows: z.number(),
});
export const sourcesSchema = z.object({
  sources: z.array(z.looseObject({ name: z.string(), connector: z.string(), streams: z.array(streamSchema) })),
});

const actions = {
  pause: 'stop reading a stream until it is resumed',
  resume: 'go on reading a stream; a change of its table that it waited for is accepted',
  resync: 'read a stream again from the beginning',
} as const;

export function addSourcesCommand(program: Command): void {
  const sources = program.command('sources').description('the systems that are read, and how far their streams are');
  withClientOptions(sources.command('list'))
    .description('list the sources with their streams')
    .action(async (options: ClientOptions) => {
      const answer = await openApiClient(options).get('/api/sources', sourcesSchema);
      if (options.json) return sayJson(answer);
      if (answer.sources.length === 0) return say('no source is configured: name one under `sources:`');
      const rows = answer.sources.flatMap(({ name, connector, streams }) =>
        streams.length === 0
          ? [[name, connector, '', '', '', '', whyNoStream(connector)]]
          : streams.map((stream) => [
              name,
              connector,
              stream.stream,
              stateOf(stream),
              String(stream.rows),
              stream.since?.slice(0, 19) ?? '',
              stream.reason ?? '',
            ]),
      );
      say(tableOf(['source', 'connector', 'stream', 'state', 'rows', 'since', 'why it rests'], rows));
    });
  for (const [action, description] of Object.entries(actions)) {
    withClientOptions(sources.command(`${action} <source> <stream>`))
      .description(description)
      .action(async (source: string, stream: string, options: ClientOptions) => {
        const path = `/api/sources/${encodeURIComponent(source)}/streams/${encodeURIComponent(stream)}/${action}`;
        const answer = await openApiClient(options).post(path, undefined, streamSchema);
        if (options.json) sayJson(answer);
        else say(`${source} ${answer.stream} is ${answer.state}`);
      });
  }
}

function whyNoStream(connector: string): string {
  const pushes = connectorNamed(connector)?.source?.create === undefined;
  return pushes ? 'it sends its changes by itself' : 'it was not read so far: see `syncline status` for the role source';
}

/** What it was about when it began to fail says nothing of how it is. */
export function stateOf({
  state,
  phase,
  errorCode,
}: Pick<z.infer<typeof streamSchema>, 'state' | 'phase' | 'errorCode'>): string {
  if (state === 'paused') return state;
  return errorCode === null ? phase : 'failing';
}
