import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { loadLogging } from '../../adapters/process/config-file.ts';
import type { SynclineConfig } from '../../core/config/config.ts';
import { embeddedFromEnvironment, embeddedParts } from '../addresses.ts';
import { configFiles } from '../config-files.ts';
import { isRead, loadConfig } from '../configuration.ts';
import { makeDataFolder } from '../data-folder.ts';
import { beginAnew, canBeginAnew, supervisorFlags } from '../process-memory.ts';
import { type RoleName, roleNames } from '../roles/role.ts';
import { planEnvironment, type StartPlan } from '../start-plan.ts';
import { tryItOf } from '../try-it.ts';
import { wholeNumber } from './arguments.ts';

interface StartOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly port?: number;
  readonly roles?: readonly RoleName[];
  readonly docker?: boolean;
}

export function addStartCommand(program: Command): void {
  program
    .command('start')
    .description('bring up what the configuration leaves to us, and every role, until Ctrl-C')
    .option('-c, --config <file>', 'configuration file (default: config/config.yml, or SYNCLINE_CONFIG)')
    .option('-d, --data-dir <folder>', 'where data, logs and keys lie (default: dataDir of the configuration)')
    .option(
      '-p, --port <port>',
      'port of the API; 0 takes a free one (default: api.port of the configuration)',
      wholeNumber('a port', 0, 65_535),
    )
    .option('-r, --roles <names>', `only these roles, with commas: ${roleNames.join(', ')}`, rolesNamed)
    .option('--docker', 'run the services in containers instead of local processes')
    .action(async (options: StartOptions) => {
      const plan = planOf(options);
      // Loaded before the process begins anew, so that the compile cache has it. What has read and checked the configuration stays behind.
      const { runSupervisor } = await import('../supervisor.ts');
      if (canBeginAnew()) beginAnew(supervisorFlags, process.argv.slice(2), planEnvironment(plan));
      await runSupervisor(plan);
    });
}

function planOf(options: StartOptions): StartPlan {
  const startedMs = Date.now();
  const files = configFiles(options.config, process.env);
  const config = loadConfig(files.config, process.env);
  const logging = loadLogging(files.logging, process.env);
  const dataFolder = resolve(options.dataDir ?? config.dataDir);
  makeDataFolder(dataFolder);
  const { kafka, postgres, redis, schemaRegistry } = config;
  const running = embeddedFromEnvironment(process.env);
  return {
    startedMs,
    files,
    dataFolder,
    isDefaultFolder: options.dataDir === undefined,
    profile: config.profile,
    roles: rolesToRun(config, options.roles ?? roleNames),
    host: config.api.host,
    port: options.port ?? config.api.port,
    docker: options.docker ?? false,
    parts: embeddedParts(config).filter((part) => running[part] === undefined),
    running,
    services: { kafka, postgres, redis, schemaRegistry },
    logFiles: logging.files,
    tryIt: tryItOf(config),
  };
}

function rolesToRun(config: SynclineConfig, wanted: readonly RoleName[]): RoleName[] {
  const isNeeded: Partial<Record<RoleName, boolean>> = {
    demo: config.demo.enabled,
    target: Object.keys(config.targets).length > 0,
    source: Object.values(config.sources).some(isRead),
  };
  return wanted.filter((name) => isNeeded[name] ?? true);
}

function rolesNamed(text: string): RoleName[] {
  return text.split(',').map((word) => {
    const role = roleNames.find((name) => name === word.trim());
    if (role === undefined) throw new InvalidArgumentError(`There is no role ${word.trim()}: ${roleNames.join(', ')}.`);
    return role;
  });
}
