import { claimPairs, confessOutdated } from '../../adapters/postgres/difference-pairs.ts';
import { rebuildDifferences } from '../../adapters/postgres/differences-rebuild.ts';
import type { DifferencePair, DifferencePairs } from '../../core/differences/difference-pair.ts';
import { reasonOf } from '../../core/errors.ts';
import type { RoleContext } from './role-context.ts';

const lookIntervalMs = 5_000;

/**
 * Builds the differences of pairs that are new or compared in another way than before. Started before the first batch is
 * written, also where nothing is compared: a process without pairs must say so to those that have some.
 */
export async function startDifferenceKeeper(
  context: Pick<RoleContext, 'pool' | 'clock' | 'logger' | 'topics' | 'config'>,
  compiled: DifferencePairs,
): Promise<{ stop(): Promise<void> }> {
  const { pool, clock, logger, topics, config } = context;
  const pairs: readonly DifferencePair[] = [...compiled.values()].flat();
  const stopping = new AbortController();
  await claimPairs(pool, pairs);

  let building: Promise<void> | undefined;
  const build = async () => {
    try {
      const built = await rebuildDifferences({
        pool,
        pairs,
        canonicalTopicOf: topics.canonical,
        partitions: config.kafka.partitions,
        clock,
        signal: stopping.signal,
      });
      for (const { leftSource, rightSource, kind } of built) {
        logger.info('everything of two sources was compared', { left: leftSource, right: rightSource, kind });
      }
    } catch (error) {
      logger.debug(`the comparison of sources waits: ${reasonOf(error)}`);
    } finally {
      building = undefined;
    }
  };
  const look = () => {
    building ??= build();
    confessOutdated(pool, pairs).catch((error: unknown) => logger.debug(`differences wait: ${reasonOf(error)}`));
  };
  const timer = setInterval(look, lookIntervalMs);
  look();
  return {
    async stop() {
      clearInterval(timer);
      stopping.abort();
      await building;
      // The last word of a process that was replaced: what it wrote until now may be by outdated rules.
      await confessOutdated(pool, pairs).catch(() => undefined);
    },
  };
}
