import { takePlan } from './start-plan.ts';

/** Each of the three loads nothing of the others: what runs for months should not carry what checks a flag. */
const plan = takePlan(process.env);
const { roleNames } = await import('./roles/role.ts');
const role =
  process.argv[2] === 'role' && process.argv.length === 4 ? roleNames.find((name) => name === process.argv[3]) : undefined;
try {
  if (plan !== null) await (await import('./supervisor.ts')).runSupervisor(plan);
  else if (role !== undefined) await (await import('./role-entry.ts')).enterRole(role);
  else await (await import('./command-line.ts')).runCommandLine();
} catch (error) {
  const { isSyncError, reasonOf } = await import('../core/errors.ts');
  process.stderr.write(`syncline: ${reasonOf(error)}\n`);
  if (isSyncError(error)) process.stderr.write(`fix: ${error.fix}\n`);
  else if (process.env.SYNCLINE_DEBUG) process.stderr.write(`${(error as Error).stack}\n`);
  // 1 says of these that something differs.
  process.exit(process.argv[2] === 'verify' || process.argv[2] === 'repair' ? 2 : 1);
}
