import { Command, CommanderError } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { addAcceptGapCommand } from './commands/accept-gap.ts';
import { addConflictsCommand } from './commands/conflicts.ts';
import { addConnectorsCommand } from './commands/connectors.ts';
import { addDatasourceCommand } from './commands/datasource.ts';
import { addDifferencesCommand } from './commands/differences.ts';
import { addDlqCommand } from './commands/dlq.ts';
import { addExplainCommand } from './commands/explain.ts';
import { addFirebirdCommand } from './commands/firebird.ts';
import { addIdentityCommand } from './commands/identity.ts';
import { addInitDbCommand } from './commands/init-db.ts';
import { addRepairCommand } from './commands/repair.ts';
import { addRoleCommand } from './commands/role.ts';
import { addSourcesCommand } from './commands/sources.ts';
import { addSqlserverCommand } from './commands/sqlserver.ts';
import { addStartCommand } from './commands/start.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTargetsCommand } from './commands/targets.ts';
import { addValidateCommand } from './commands/validate.ts';
import { addVerifyCommand } from './commands/verify.ts';

const wrongUse = 2;

/** A command that was called wrongly does nothing and ends with code 2; one that failed ends with code 1. */
export async function runCommandLine(): Promise<void> {
  const program = new Command('syncline')
    .description('Keeps the same business facts equal in systems that do not know of each other.')
    .version(packageJson.version)
    .showHelpAfterError('(--help shows what is possible)')
    // Handed on to the commands below: they must be added after it.
    .exitOverride();
  addStartCommand(program);
  addRoleCommand(program);
  addInitDbCommand(program);
  addValidateCommand(program);
  addStatusCommand(program);
  addDlqCommand(program);
  addConflictsCommand(program);
  addExplainCommand(program);
  addIdentityCommand(program);
  addDifferencesCommand(program);
  addTargetsCommand(program);
  addSourcesCommand(program);
  addConnectorsCommand(program);
  addDatasourceCommand(program);
  addFirebirdCommand(program);
  addSqlserverCommand(program);
  addVerifyCommand(program);
  addRepairCommand(program);
  addAcceptGapCommand(program);
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exit(error.exitCode === 0 ? 0 : wrongUse);
  }
}
