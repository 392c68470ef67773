import type { Command } from 'commander';
import { logEnds } from '../../adapters/kafka/offsets.ts';
import { acceptGap } from '../../adapters/postgres/gap.ts';
import { createPool } from '../../adapters/postgres/pool.ts';
import { SyncError } from '../../core/errors.ts';
import { topicNames } from '../../core/topics.ts';
import { embeddedFromEnvironment, resolveAddresses } from '../addresses.ts';
import { configFiles } from '../config-files.ts';
import { loadConfig } from '../configuration.ts';
import { entityPlans } from '../roles/entity-plans.ts';
import { runningEmbedded } from '../running-embedded.ts';
import { say } from './table.ts';

export function addAcceptGapCommand(program: Command): void {
  program
    .command('accept-gap')
    .argument('<topic>', 'raw or canonical topic whose beginning was deleted before it was read')
    .description('go on where the topic begins now; the records between are given up and counted as such')
    .option('-c, --config <file>', 'configuration file (default: config/config.yml, or SYNCLINE_CONFIG)')
    .option('-d, --data-dir <folder>', 'where a running `npm start` keeps its data (default: dataDir of the configuration)')
    .action(async (topic: string, options: { config?: string; dataDir?: string }) => {
      const config = loadConfig(configFiles(options.config, process.env).config, process.env);
      const plans = entityPlans(config, topicNames(config.topicPrefix));
      const raw = plans.some((plan) => plan.rawTopic === topic);
      if (!raw && !plans.some((plan) => plan.canonicalTopic === topic)) {
        throw new SyncError('config.invalid', `${topic} is no raw or canonical topic of this configuration`);
      }
      const embedded = { ...runningEmbedded(options.dataDir ?? config.dataDir), ...embeddedFromEnvironment(process.env) };
      const addresses = resolveAddresses(config, embedded);
      const pool = createPool({ url: addresses.postgres, connectionsMax: 1, applicationName: 'syncline-accept-gap' });
      try {
        const ends = await logEnds({ brokers: addresses.kafka, clientId: 'syncline-accept-gap' }, [topic]);
        for (const begin of ends) {
          const gap = await acceptGap(pool, begin, raw ? 'processor_progress' : 'sync_progress');
          if (gap) say(`${topic}/${gap.partition}: offsets ${gap.from} to ${gap.to - 1} are given up`);
          else say(`${topic}/${begin.partition}: no gap`);
        }
      } finally {
        await pool.end();
      }
    });
}
