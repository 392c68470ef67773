import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { createApiKeyStore } from '../../adapters/postgres/api-key-store.ts';
import { createPool } from '../../adapters/postgres/pool.ts';
import { loadConfig } from '../../adapters/process/config-file.ts';
import { makeAdminKey } from '../../api/first-admin-key.ts';
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
    .option('--new-admin-key', 'make another admin key, for whoever lost the first one, and keep it in DATA-DIR/admin.key')
    .action(async (options: { config?: string; dataDir?: string; newAdminKey?: boolean }) => {
      const config = loadConfig(configFiles(options.config, process.env).config, process.env);
      const embedded = { ...runningEmbedded(options.dataDir ?? config.dataDir), ...embeddedFromEnvironment(process.env) };
      const addresses = resolveAddresses(config, embedded);
      await prepareInstallation(config, addresses, (line) => process.stdout.write(`${line}\n`));
      if (options.newAdminKey)
        await replaceAdminKey(addresses.postgres, join(resolve(options.dataDir ?? config.dataDir), 'admin.key'));
    });
}

async function replaceAdminKey(postgres: string, keyFile: string): Promise<void> {
  const pool = createPool({ url: postgres, connectionsMax: 1, applicationName: 'syncline-init' });
  try {
    await makeAdminKey(createApiKeyStore(pool), 'admin key made at the command line', keyFile);
    process.stdout.write(`a new admin key lies in ${keyFile}\n`);
  } finally {
    await pool.end();
  }
}
