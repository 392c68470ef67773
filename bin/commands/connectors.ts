import type { Command } from 'commander';
import { connectors } from '../../connectors/registry.ts';
import { say, sayJson, tableOf } from './table.ts';

export function addConnectorsCommand(program: Command): void {
  program
    .command('connectors')
    .description('the connectors there are, and what each can do')
    .option('--json', 'as JSON, with the options of each')
    .action(({ json }: { json?: boolean }) => {
      if (json) {
        const names = (shape: object | undefined) => Object.keys(shape ?? {});
        return sayJson({
          connectors: connectors.map(({ name, description, capabilities, source }) => ({
            name,
            description,
            capabilities,
            options: names(source?.options.shape),
            entityOptions: names(source?.entity.shape),
          })),
        });
      }
      const yes = (can: boolean) => (can ? 'yes' : '');
      const rows = connectors.map(({ name, capabilities: { snapshot, changes, deletes, target }, description }) => [
        name,
        yes(snapshot),
        changes,
        yes(deletes),
        yes(target),
        description,
      ]);
      say(tableOf(['connector', 'snapshot', 'changes', 'deletes', 'target', 'what it does'], rows));
    });
}
