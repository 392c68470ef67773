import { configFiles } from './config-files.ts';
import { beginAnew, canBeginAnew, flagsOfRole } from './process-memory.ts';
import type { RoleName } from './roles/role.ts';
import { loadRole, runRole } from './roles/role-process.ts';

/** A role that nobody supervises, as in a container, gives itself the flags and the environment of one that is. */
export async function enterRole(role: RoleName): Promise<never> {
  if (process.channel === undefined && canBeginAnew()) {
    // The one that begins anew finds its code in the compile cache.
    await loadRole(role);
    beginAnew(flagsOfRole(role), process.argv.slice(2));
  }
  process.exit(await runRole(role, configFiles(undefined, process.env)));
}
