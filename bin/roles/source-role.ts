import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { createSourceStore } from '../../adapters/postgres/source-store.ts';
import type { SourceLine } from '../../connectors/source-line.ts';
import { SourceWorker } from '../../connectors/source-worker.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import { ProducerPool } from '../../core/producer-pool.ts';
import { isRead } from '../configuration.ts';
import type { RunningRole } from './role.ts';
import type { RoleContext } from './role-context.ts';
import { openSource } from './source-connectors.ts';
import { type WatchedSource, watchSource } from './source-figures.ts';

/** A producer has one send in flight: so many streams send at once. */
const producersMax = 4;

interface RunningSource {
  readonly name: string;
  readonly worker: SourceWorker;
  readonly connector: SourceConnector;
  readonly watched: WatchedSource;
}

/** Every source that has to be asked. Which process asks which stream is a matter of leases. */
export async function startSources(context: RoleContext): Promise<RunningRole> {
  const { config, clock, log, pool, telemetry } = context;
  const names = Object.keys(config.sources).filter((name) => isRead(config.sources[name]!));
  const connectors = new Map<string, SourceConnector>();
  for (const name of names) connectors.set(name, await openSource(config, name, clock));
  const streams = [...connectors.values()].reduce((sum, connector) => sum + connector.streams.length, 0);
  const producerCount = Math.max(1, Math.min(producersMax, streams));
  const producers = new ProducerPool(await Promise.all(Array.from({ length: producerCount }, () => log.producer())));
  const owner = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  const store = createSourceStore(pool);
  const running: RunningSource[] = [];
  for (const [name, connector] of connectors) {
    const lines = await linesOf(context, name, connector);
    const watched = watchSource(context, name, connector);
    const deps = {
      source: name,
      connector: watched.connector,
      owner,
      lines,
      store,
      producers,
      clock,
      telemetry,
      random: Math.random,
    };
    running.push({ name, connector, watched, worker: new SourceWorker(deps) });
  }
  return {
    failed: Promise.race([new Promise<never>(() => undefined), ...running.map(({ worker }) => worker.failed)]),
    details: () => ({ sources: Object.fromEntries(running.map(({ name, worker }) => [name, worker.statuses()])) }),
    async stop() {
      await Promise.all(
        running.map(async ({ worker, connector, watched }) => {
          await worker.stop();
          watched.stop();
          await connector.close();
        }),
      );
    },
  };
}

async function linesOf(
  { topics, config, codecs }: RoleContext,
  source: string,
  { streams }: SourceConnector,
): Promise<Map<string, SourceLine>> {
  const lines = new Map<string, SourceLine>();
  for (const kind of new Set(streams.flatMap(({ kinds }) => kinds))) {
    const topic = topics.raw(source, kind);
    lines.set(kind, { topic, partitions: config.kafka.partitions, codec: await codecs.for('change', topic) });
  }
  return lines;
}
