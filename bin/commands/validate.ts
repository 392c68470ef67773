import type { Command } from 'commander';
import { loadLogging } from '../../adapters/process/config-file.ts';
import { topicNames } from '../../core/topics.ts';
import { configFiles } from '../config-files.ts';
import { loadConfig } from '../configuration.ts';
import { entityPlans } from '../roles/entity-plans.ts';

export function addValidateCommand(program: Command): void {
  program
    .command('validate')
    .description('check the configuration files and every mapping in them; starts nothing')
    .option('-c, --config <file>', 'configuration file (default: config/config.yml, or SYNCLINE_CONFIG)')
    .action((options: { config?: string }) => {
      const files = configFiles(options.config, process.env);
      const config = loadConfig(files.config, process.env);
      loadLogging(files.logging, process.env);
      const kinds = new Set(entityPlans(config, topicNames(config.topicPrefix)).map((plan) => plan.kind));
      const sources = Object.keys(config.sources).length;
      process.stdout.write(
        `${files.config} is valid: sources ${sources}, kinds of entity ${kinds.size}, profile ${config.profile}\n`,
      );
    });
}
