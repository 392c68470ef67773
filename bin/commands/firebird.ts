import type { Command } from 'commander';
import type { FirebirdTableOptions } from '../../connectors/firebird/firebird-options.ts';
import { type FirebirdPlace, type PlaceOptions, placeFrom } from '../../connectors/firebird/firebird-place.ts';
import { SyncError } from '../../core/errors.ts';
import { unknownName } from '../../core/unknown-name.ts';
import { configFiles } from '../config-files.ts';
import { loadConfig } from '../configuration.ts';
import { say } from './table.ts';

interface Options {
  readonly config?: string;
  readonly yes?: boolean;
  readonly reader?: string;
}

const configOption = ['-c, --config <file>', 'configuration file (default: config/config.yml, or SYNCLINE_CONFIG)'] as const;

export function addFirebirdCommand(program: Command): void {
  const firebird = program.command('firebird').description('change logs in Firebird databases, for `mode: changelog`');
  firebird
    .command('install <source>')
    .description('show the SQL that makes the change log of a source’s tables; with --yes run it')
    .option(...configOption)
    .option('--reader <user>', 'the user Syncline reads as, where that is not the owner: it gets the rights it needs')
    .option('--yes', 'run it')
    .action((name: string, options: Options) => installLogs(name, options));
  firebird
    .command('uninstall <source>')
    .description('show the SQL that removes the change log of a source’s tables; with --yes run it')
    .option(...configOption)
    .option('--yes', 'run it')
    .action((name: string, options: Options) => removeLogs(name, options));
}

async function installLogs(name: string, options: Options): Promise<void> {
  const { place, tables } = sourceOf(name, options);
  if (tables.length === 0) throw new SyncError('config.invalid', `no entity of ${name} has \`mode: changelog\``);
  const { install, planInstall } = await changeLog();
  const plan = await planInstall(place, tables, options.reader);
  show(plan.statements);
  if (options.yes !== true) return;
  const earlier = await install(place, plan);
  if (earlier.length === 0) {
    say('The change log is complete.');
    return;
  }
  say(`These connections are older than the triggers and may write past them:\n  ${earlier.join('\n  ')}`);
  say('Let them connect anew, then run this again; until then the tables are not read.');
  process.exitCode = 1;
}

async function removeLogs(name: string, options: Options): Promise<void> {
  const { place, tables } = sourceOf(name, options);
  const { applyPlan, planUninstall } = await changeLog();
  const plan = await planUninstall(
    place,
    tables.map(({ table }) => table),
  );
  show(plan.statements);
  if (options.yes !== true) return;
  await applyPlan(place, plan);
  say('The change log is removed.');
}

/** The driver is loaded where a command needs it. */
function changeLog() {
  return import('../../connectors/firebird/changelog-install.ts');
}

function show(statements: readonly string[]): void {
  if (statements.length === 0) {
    say('There is nothing to do.');
    return;
  }
  // A trigger holds semicolons of its own, so that isql needs another sign for the end.
  say(['SET TERM ^ ;', ...statements.map((statement) => `${statement}^`), 'SET TERM ; ^'].join('\n'));
}

function sourceOf(
  name: string,
  { config: file }: Options,
): { place: FirebirdPlace; tables: { table: string; key: readonly string[] }[] } {
  const { sources } = loadConfig(configFiles(file, process.env).config, process.env);
  const source = Object.hasOwn(sources, name) ? sources[name] : undefined;
  if (source === undefined) throw unknownName('source', name, Object.keys(sources));
  if (source.connector !== 'firebird') throw new SyncError('config.invalid', `the source ${name} is no Firebird database`);
  const tables = Object.entries(source.entities).flatMap(([kind, { key, options }]) => {
    const { mode, table = kind } = options as FirebirdTableOptions;
    return mode === 'changelog' ? [{ table, key }] : [];
  });
  return { place: placeFrom(source.options as PlaceOptions), tables };
}
