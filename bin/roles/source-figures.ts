import { logEnds } from '../../adapters/kafka/offsets.ts';
import { createReadStore } from '../../adapters/postgres/read-store.ts';
import { createRedisClient } from '../../adapters/redis/client.ts';
import { SourceStatistics } from '../../connectors/source-statistics.ts';
import { lagOf } from '../../core/accounting.ts';
import type { SourceConnector } from '../../core/ports/source-connector.ts';
import type { RoleContext } from './role-context.ts';

/** The source as it is read, watched where its connector wants that. */
export interface WatchedSource {
  readonly connector: SourceConnector;
  stop(): void;
}

/** Figures in the log, and when a position was stored last in Redis, under `last_sync_timestamp:SOURCE`. */
export function watchSource(context: RoleContext, source: string, connector: SourceConnector): WatchedSource {
  const { statisticsEveryMs: everyMs } = connector;
  if (everyMs === undefined) return { connector, stop: () => undefined };
  const { addresses, clock, config, kafka, logger, pool, topics } = context;
  const redis = createRedisClient(addresses.redis);
  redis.connect().catch(() => undefined);
  const key = `${config.redis.keyPrefix}${config.topicPrefix}last_sync_timestamp:${source}`;
  const rawTopics = [...new Set(connector.streams.flatMap(({ kinds }) => kinds))].map((kind) => topics.raw(source, kind));
  const readStore = createReadStore(pool);
  const statistics = new SourceStatistics({
    source,
    everyMs,
    clock,
    async queueLength() {
      const { processors } = await readStore.progress();
      return lagOf(await logEnds(kafka, rawTopics), processors);
    },
    async remember(instant) {
      await redis.set(key, instant);
    },
    report: (figures) => logger.info('figures of a source', { ...figures }),
  });
  statistics.start();
  return {
    connector: statistics.watch(connector),
    stop() {
      statistics.stop();
      redis.disconnect();
    },
  };
}
