import { expect, test, vi } from 'vitest';
import { claimPairs } from '../../adapters/postgres/difference-pairs.ts';
import { summarizeDifferences } from '../../adapters/postgres/differences-query.ts';
import { systemClock } from '../../adapters/process/clock.ts';
import { parseConfig } from '../../core/config/config.ts';
import { compileDifferencePairs } from '../../core/differences/difference-pair.ts';
import type { Logger } from '../../core/ports/logger.ts';
import { topicNames } from '../../core/topics.ts';
import { openTestDatabase } from '../../tests/test-database.ts';
import { startDifferenceKeeper } from './difference-keeper.ts';

const say = () => undefined;
const logger: Logger = { error: say, warn: say, info: say, debug: say, with: () => logger };
const source = { connector: 'http', entities: { products: {} } } as const;
const config = parseConfig({ sources: { a: source, b: source }, differences: [{ left: 'a', right: 'b' }] });

test('a new pair becomes exact by itself, and is building again once another configuration counts', async () => {
  const { pool, close } = await openTestDatabase();
  const context = { pool, config, logger, clock: systemClock, topics: topicNames() };
  const pairs = compileDifferencePairs(config);
  const keeper = await startDifferenceKeeper(context, pairs);
  const states = async () => (await summarizeDifferences(pool)).map(({ state }) => state);
  await vi.waitFor(async () => expect(await states()).toEqual(['exact']), { timeout: 60_000 });

  const { configId, ...pair } = pairs.get('products')![0]!;
  const other = { ...pair, configId: `${configId.slice(1)}x` as typeof configId };
  await claimPairs(pool, [other]);
  await pool.query("UPDATE difference_pairs SET state = 'exact'");
  await keeper.stop();
  expect(await states()).toEqual(['building']);
  await close();
});
