import type { Command } from 'commander';
import { systemClock } from '../../adapters/process/clock.ts';
import { configFiles } from '../config-files.ts';
import { isRead, loadConfig } from '../configuration.ts';
import { openSource } from '../roles/source-connectors.ts';
import { say } from './table.ts';

export function addDatasourceCommand(program: Command): void {
  const datasource = program.command('datasource').description('sources as the configuration describes them');
  datasource
    .command('test <name>')
    .description('say in words what stands in the way of reading a source; reads no data and changes nothing')
    .option('-c, --config <file>', 'configuration file (default: config/config.yml, or SYNCLINE_CONFIG)')
    .action(async (name: string, options: { config?: string }) => {
      const config = loadConfig(configFiles(options.config, process.env).config, process.env);
      const source = Object.hasOwn(config.sources, name) ? config.sources[name] : undefined;
      if (source !== undefined && !isRead(source)) {
        return say(`${name} is not read: it sends its changes by itself, so nothing stands in the way of reading it`);
      }
      const connector = await openSource(config, name, systemClock);
      let problems = 0;
      try {
        for (const stream of connector.streams) {
          const { found, problem } = await stream.check();
          for (const line of found) say(`${stream.name}: ${line}`);
          if (problem === null) continue;
          problems++;
          say(`${stream.name}: ${problem.message}\n  ${problem.code}: ${problem.fix}`);
        }
      } finally {
        await connector.close();
      }
      say(problems === 0 ? `${name} can be read` : `${name}: ${problems} of ${connector.streams.length} streams cannot be read`);
      if (problems > 0) process.exitCode = 1;
    });
}
