import type { Command } from 'commander';
import { loadConfig } from '../../adapters/process/config-file.ts';
import { embeddedFromEnvironment, resolveAddresses } from '../addresses.ts';
import { configFiles } from '../config-files.ts';
import { prepareInstallation } from '../installation.ts';
import { runningEmbedded } from '../running-embedded.ts';

export function addInitDbCommand(program: Command): void {
  program
    .command('init-db')
    .description('create or upgrade the tables and topics of the configured PostgreSQL and Kafka')
    .option('-c, --config <file>', 'configuration file (default: config/config.yml, or SYNCLINE_CONFIG)')
    .option('-d, --data-dir <folder>', 'where a running `npm start` keeps its data (default: dataDir of the configuration)')
    .action(async (options: { config?: string; dataDir?: string }) => {
      const config = loadConfig(configFiles(options.config, process.env).config, process.env);
      const embedded = { ...runningEmbedded(options.dataDir ?? config.dataDir), ...embeddedFromEnvironment(process.env) };
      await prepareInstallation(config, resolveAddresses(config, embedded), (line) => process.stdout.write(`${line}\n`));
    });
}
