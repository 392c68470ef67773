import { join, relative, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { createApiKeyStore } from '../../adapters/postgres/api-key-store.ts';
import { createPool } from '../../adapters/postgres/pool.ts';
import { ensureFirstAdminKey, makeAdminKey } from '../../api/first-admin-key.ts';
import type { ApiKeyStore } from '../../core/ports/api-key-store.ts';
import { embeddedFromEnvironment, resolveAddresses } from '../addresses.ts';
import { configFiles } from '../config-files.ts';
import { loadConfig } from '../configuration.ts';
import { prepareInstallation } from '../installation.ts';
import { runningEmbedded } from '../running-embedded.ts';
import { say } from './table.ts';

interface InitDbOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly newAdminKey?: boolean;
  readonly firstAdminKey?: string;
}

export function addInitDbCommand(program: Command): void {
  program
    .command('init-db')
    .description('create or upgrade the tables and topics of the configured PostgreSQL and Kafka')
    .option('-c, --config <file>', 'configuration file (default: config/config.yml, or SYNCLINE_CONFIG)')
    .option('-d, --data-dir <folder>', 'where a running `npm start` keeps its data (default: dataDir of the configuration)')
    .option('--new-admin-key', 'make another admin key, for whoever lost the first one, and keep it in DATA-DIR/admin.key')
    .addOption(new Option('--first-admin-key <file>', 'make the first admin key and keep it in this file').hideHelp())
    .action(async (options: InitDbOptions) => {
      const config = loadConfig(configFiles(options.config, process.env).config, process.env);
      const embedded = { ...runningEmbedded(options.dataDir ?? config.dataDir), ...embeddedFromEnvironment(process.env) };
      const addresses = resolveAddresses(config, embedded);
      await prepareInstallation(config, addresses, say);
      if (options.firstAdminKey !== undefined) await provideFirstAdminKey(addresses.postgres, options.firstAdminKey);
      if (options.newAdminKey)
        await replaceAdminKey(addresses.postgres, join(resolve(options.dataDir ?? config.dataDir), 'admin.key'));
    });
}

/** The first key is shown once; after that it is in the file only. */
async function provideFirstAdminKey(postgres: string, keyFile: string): Promise<void> {
  await withKeyStore(postgres, async (store) => {
    const first = await ensureFirstAdminKey(store, keyFile);
    if (first.kind === 'created')
      say(`first admin key (shown once, kept in ${relative(process.cwd(), first.file)}): ${first.key}`);
    if (first.kind === 'elsewhere') say(first.message);
  });
}

async function replaceAdminKey(postgres: string, keyFile: string): Promise<void> {
  await withKeyStore(postgres, async (store) => {
    await makeAdminKey(store, 'admin key made at the command line', keyFile);
    say(`a new admin key lies in ${keyFile}`);
  });
}

async function withKeyStore(postgres: string, work: (store: ApiKeyStore) => Promise<void>): Promise<void> {
  const pool = createPool({ url: postgres, connectionsMax: 1, applicationName: 'syncline-init' });
  try {
    await work(createApiKeyStore(pool));
  } finally {
    await pool.end();
  }
}
