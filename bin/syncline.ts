#!/usr/bin/env node
import { enableCompileCache } from 'node:module';
import { Command } from 'commander';
import { isSyncError, reasonOf } from '../core/errors.ts';
import packageJson from '../package.json' with { type: 'json' };
import { configFiles } from './config-files.ts';
import { roleNames } from './roles/role.ts';

// Types are stripped and code compiled once, not at every start of every role: half the time and memory.
enableCompileCache();

const program = new Command('syncline')
  .description('Keeps the same business facts equal in systems that do not know of each other.')
  .version(packageJson.version)
  .showHelpAfterError();

/** A role process loads its own role and nothing of the other commands. */
if (process.argv[2] === 'role') {
  const role = roleNames.find((name) => name === process.argv[3]);
  if (role === undefined) fail(new Error(`syncline role: one of ${roleNames.join(', ')}`));
  const { runRole } = await import('./roles/role-process.ts');
  process.exit(await runRole(role, configFiles(undefined, process.env)).catch(fail));
}

const { addCommands } = await import('./commands/commands.ts');
addCommands(program);
await program.parseAsync().catch(fail);

function fail(error: unknown): never {
  process.stderr.write(`syncline: ${reasonOf(error)}\n`);
  if (isSyncError(error)) process.stderr.write(`fix: ${error.fix}\n`);
  else if (process.env.SYNCLINE_DEBUG) process.stderr.write(`${(error as Error).stack}\n`);
  process.exit(1);
}
