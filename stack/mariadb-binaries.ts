import { existsSync } from 'node:fs';
import { executablesNamed } from './command.ts';
import type { FetchContext } from './package-cache.ts';
import { installSystemPart } from './system-packages.ts';

export interface MariadbBinaries {
  readonly server: string;
  /** Makes a data directory. */
  readonly installer: string;
}

const why = 'it stands for the MySQL and MariaDB databases of the tests';

export function findMariadb(): MariadbBinaries | undefined {
  const [server] = [...executablesNamed('mariadbd'), '/usr/libexec/mariadbd'].filter((file) => existsSync(file));
  const [installer] = executablesNamed('mariadb-install-db');
  return server === undefined || installer === undefined ? undefined : { server, installer };
}

export async function provideMariadb(context: FetchContext): Promise<MariadbBinaries> {
  const found = findMariadb();
  if (found !== undefined) return found;
  await installSystemPart('mariadb', why, context);
  const installed = findMariadb();
  if (installed === undefined) throw new Error('the packages of MariaDB do not hold its server where it is looked for');
  return installed;
}
