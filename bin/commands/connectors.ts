import type { Command } from 'commander';
import type { ConnectorDeclaration } from '../../connectors/declaration.ts';
import { connectors } from '../../connectors/registry.ts';
import { unknownName } from '../../core/unknown-name.ts';
import { say, sayJson, tableOf } from './table.ts';

const halves = ['source', 'target'] as const;

export function addConnectorsCommand(program: Command): void {
  program
    .command('connectors [name]')
    .description('the connectors there are, and what each can do; of one its settings')
    .option('--json', 'as JSON, with the settings of each')
    .action((name: string | undefined, { json }: { json?: boolean }) => {
      const chosen = name === undefined ? connectors : connectors.filter((connector) => connector.name === name);
      if (name !== undefined && chosen.length === 0)
        throw unknownName(
          'connector',
          name,
          connectors.map((connector) => connector.name),
        );
      if (json) return sayJson({ connectors: chosen.map(described) });
      if (name !== undefined) return showOne(chosen[0]!);
      const yes = (can: boolean) => (can ? 'yes' : '');
      const rows = chosen.map(({ name: called, capabilities: { snapshot, changes, deletes, target }, description }) => [
        called,
        yes(snapshot),
        changes,
        yes(deletes),
        yes(target),
        description,
      ]);
      say(tableOf(['connector', 'snapshot', 'changes', 'deletes', 'target', 'what it does'], rows));
      say('\n`syncline connectors NAME` shows the settings of one');
    });
}

function described({ name, description, capabilities, source, target }: ConnectorDeclaration) {
  const names = (schema: { readonly shape: object } | undefined) => Object.keys(schema?.shape ?? {});
  return {
    name,
    description,
    capabilities,
    options: names(source?.options),
    entityOptions: names(source?.entity),
    targetOptions: names(target?.options),
    targetEntityOptions: names(target?.entity),
  };
}

/** What is beside the settings that every source and target has. */
function showOne(connector: ConnectorDeclaration): void {
  say(`${connector.name}: ${connector.description}`);
  for (const half of halves) {
    const declared = connector[half];
    if (declared === undefined) continue;
    for (const [where, schema] of [
      [`as a ${half}`, declared.options],
      [`as a ${half}, per kind of entity`, declared.entity],
    ] as const) {
      const rows = Object.entries(schema.shape).map(([name, setting]) => [name, setting.description ?? '']);
      if (rows.length > 0) say(`\n${where}:\n${tableOf(['setting', 'what it says'], rows)}`);
    }
  }
  say('\nAll settings: docs/reference/configuration.md');
}
