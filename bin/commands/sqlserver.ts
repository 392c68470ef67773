import type { Command } from 'commander';
import { createPool } from '../../adapters/postgres/pool.ts';
import { usualWatermark } from '../../connectors/sqlserver/sqlserver-options.ts';
import { type PlaceOptions, placeFrom } from '../../connectors/sqlserver/sqlserver-place.ts';
import type { PolledTableOptions } from '../../connectors/tables/table-options.ts';
import { SyncError } from '../../core/errors.ts';
import { unknownName } from '../../core/unknown-name.ts';
import { configFiles } from '../config-files.ts';
import { loadConfig } from '../configuration.ts';
import { say } from './table.ts';

interface Options {
  readonly config?: string;
  readonly schema: string;
  readonly name?: string;
  readonly apply?: string;
}

export function addSqlserverCommand(program: Command): void {
  program
    .command('sqlserver')
    .description('tables of SQL Server databases')
    .command('ddl <source> <table>')
    .description('show the SQL that makes a table of PostgreSQL for a table, or for a kind, of a source; with --apply run it')
    .option('-c, --config <file>', 'configuration file (default: config/config.yml, or SYNCLINE_CONFIG)')
    .option('--schema <schema>', 'where in PostgreSQL', 'public')
    .option('--name <table>', 'how it is called there (default: as at the source, in small letters)')
    .option('--apply <url>', 'run it in this database: postgres://user:password@host/database')
    .action((source: string, table: string, options: Options) => makeTable(source, table, options));
}

async function makeTable(sourceName: string, wanted: string, { config: file, schema, name, apply }: Options): Promise<void> {
  const { sources } = loadConfig(configFiles(file, process.env).config, process.env);
  const source = Object.hasOwn(sources, sourceName) ? sources[sourceName] : undefined;
  if (source === undefined) throw unknownName('source', sourceName, Object.keys(sources));
  if (source.connector !== 'sqlserver')
    throw new SyncError('config.invalid', `the source ${sourceName} is no SQL Server database`);
  const entity = Object.hasOwn(source.entities, wanted) ? source.entities[wanted] : undefined;
  const options = entity?.options as PolledTableOptions | undefined;
  const { planDdl } = await import('../../connectors/sqlserver/ddl-plan.ts');
  const statements = await planDdl(placeFrom(source.options as PlaceOptions, 'syncline-ddl'), {
    source: options?.table ?? wanted,
    key: entity?.key ?? [],
    watermark: options?.watermark ?? usualWatermark,
    schema,
    table: name,
  });
  say(statements.map((statement) => `${statement};`).join('\n'));
  if (apply !== undefined) await runAll(apply, statements);
}

/** All of it or nothing. */
async function runAll(url: string, statements: readonly string[]): Promise<void> {
  const pool = createPool({ url, connectionsMax: 1, applicationName: 'syncline-ddl' });
  try {
    await pool.query(['BEGIN', ...statements, 'COMMIT'].join(';\n'));
  } finally {
    await pool.end();
  }
}
