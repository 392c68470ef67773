import { Argument, type Command } from 'commander';
import { roleNames } from '../roles/role.ts';

/** Called rightly it never comes here: a role loads nothing of the command line. */
export function addRoleCommand(program: Command): void {
  program
    .command('role')
    .addArgument(new Argument('<name>', 'what this process does').choices(roleNames))
    .description('run one role in this process, as a container does; SYNCLINE_CONFIG names its configuration')
    .action(() => undefined);
}
