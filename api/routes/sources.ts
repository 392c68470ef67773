import { z } from 'zod';
import type { SynclineConfig } from '../../core/config/config.ts';
import { SyncError } from '../../core/errors.ts';
import type { SourceDesk, StreamRef, StreamView } from '../../core/ports/source-store.ts';
import { unknownName } from '../../core/unknown-name.ts';
import { signatureOf } from '../caller.ts';
import { instantAnswer, textParameter } from '../parameters.ts';
import { declareRoute, type Route } from '../route.ts';

export interface SourceDeps {
  readonly sources: SynclineConfig['sources'];
  readonly desk: SourceDesk;
}

const streamAnswer = z
  .object({
    stream: z.string(),
    state: z.enum(['running', 'paused']),
    phase: z.enum(['snapshot', 'changes', 'waiting']).describe('`waiting`: it has kept up, until it looks again.'),
    errorCode: z.string().nullable(),
    reason: z.string().nullable().describe('Why it is paused, or does not go on at present.'),
    since: instantAnswer.nullable().describe('Since when it is paused or cannot be read; null where it goes on.'),
    epoch: z.number().int().describe('Rises when it is read anew from the beginning.'),
    owner: z.string().nullable().describe('The process that reads it.'),
    rows: z.number().int().describe('Changes sent in this epoch.'),
    lagMs: z.number().int().nullable().describe('How old the changes are that come next, where the source knows.'),
    updatedAt: instantAnswer,
  })
  .meta({ id: 'SourceStream' });

const sourceAnswer = z
  .object({
    name: z.string(),
    connector: z.string(),
    kinds: z.array(z.string()).readonly(),
    streams: z
      .array(streamAnswer)
      .readonly()
      .describe('What is read of it, one after the other each; empty where it sends by itself.'),
  })
  .meta({ id: 'Source' });

const streamParameters = z.object({
  name: textParameter(50, 'A source by its name.'),
  stream: textParameter(128, 'One of its streams.'),
});

export function sourceRoutes(deps: SourceDeps): Route[] {
  const change = (action: 'pause' | 'resume' | 'resync', summary: string, description: string) =>
    changeRoute(deps, action, summary, description);
  return [
    listRoute(deps),
    change('pause', 'Stops reading a stream.', 'It goes on where it stopped when it is resumed.'),
    change(
      'resume',
      'Goes on reading a stream.',
      'Where it waited because its table has changed, the change is accepted: everything is read again with the new columns.',
    ),
    change(
      'resync',
      'Reads a stream again from the beginning.',
      'Everything there is is told again, and what is there no longer is told as deleted.',
    ),
  ];
}

function listRoute({ sources, desk }: SourceDeps): Route {
  return declareRoute({
    method: 'get',
    path: '/api/sources',
    role: 'viewer',
    id: 'listSources',
    tag: 'Sources',
    summary: 'The configured sources, and how far each of their streams is.',
    answer: z.object({ sources: z.array(sourceAnswer).readonly() }),
    async handle() {
      const bySource = Map.groupBy(await desk.streams(), ({ source }) => source);
      return {
        sources: Object.entries(sources).map(([name, { connector, entities }]) => ({
          name,
          connector,
          kinds: Object.keys(entities),
          streams: (bySource.get(name) ?? []).map(viewOf),
        })),
      };
    },
  });
}

function changeRoute(deps: SourceDeps, action: 'pause' | 'resume' | 'resync', summary: string, description: string): Route {
  return declareRoute({
    method: 'post',
    path: `/api/sources/{name}/streams/{stream}/${action}`,
    role: 'operator',
    id: `${action}SourceStream`,
    tag: 'Sources',
    summary,
    description,
    params: streamParameters,
    answer: streamAnswer,
    async handle({ params: { name, stream }, caller }) {
      const { desk } = deps;
      const ref = { source: name, stream };
      const found = await (action === 'pause' ? desk.pause(ref, signatureOf(caller)) : desk[action](ref));
      const view = found ? await find(desk, ref) : undefined;
      if (view === undefined) throw await unknownStream(deps, ref);
      return viewOf(view);
    },
  });
}

async function unknownStream({ sources, desk }: SourceDeps, { source, stream }: StreamRef): Promise<SyncError> {
  const configured = Object.hasOwn(sources, source) ? sources[source] : undefined;
  const streams = (await desk.streams()).filter((view) => view.source === source).map((view) => view.stream);
  if (configured === undefined && streams.length === 0) return unknownName('source', source, Object.keys(sources));
  if (configured !== undefined && Object.hasOwn(configured.entities, stream))
    return new SyncError(
      'request.conflict',
      `nothing of ${stream} of ${source} was read so far: it may send its changes by itself`,
    );
  return unknownName('stream', stream, streams, source);
}

async function find(desk: SourceDesk, ref: StreamRef): Promise<StreamView | undefined> {
  return (await desk.streams()).find(({ source, stream }) => source === ref.source && stream === ref.stream);
}

function viewOf({ stream, state, phase, errorCode, reason, epoch, owner, changes, lagMs, updatedAtMs }: StreamView) {
  return {
    stream,
    state,
    phase,
    errorCode,
    reason,
    since: state === 'paused' || errorCode !== null ? instantOf(updatedAtMs) : null,
    epoch,
    owner,
    rows: changes,
    lagMs,
    updatedAt: instantOf(updatedAtMs),
  };
}

function instantOf(ms: number): string {
  return new Date(ms).toISOString();
}
