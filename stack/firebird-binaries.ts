import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { executablesNamed } from './command.ts';
import type { FetchContext } from './package-cache.ts';
import { installSystemPart } from './system-packages.ts';

export interface FirebirdBinaries {
  readonly server: string;
  /** Firebird's own; unixODBC has another program of that name. */
  readonly isql: string;
  /** Holds `plugins` and `intl`. */
  readonly libraryFolder: string;
  /** Where the character sets of `intl` are described. */
  readonly characterSets: string;
}

const why = 'it stands for the Firebird databases of the tests';

export function findFirebird(): FirebirdBinaries | undefined {
  const [server] = [...executablesNamed('firebird'), '/opt/firebird/bin/firebird'].filter((file) => existsSync(file));
  const [isql] = [...executablesNamed('isql-fb'), '/opt/firebird/bin/isql'].filter((file) => existsSync(file));
  const libraryFolder = libraryFolders().find((folder) => existsSync(join(folder, 'plugins')));
  if (server === undefined || isql === undefined || libraryFolder === undefined) return undefined;
  const characterSets = [
    join(libraryFolder, 'intl', 'fbintl.conf'),
    '/etc/firebird/3.0/fbintl.conf',
    '/etc/firebird/fbintl.conf',
  ].find((file) => existsSync(file));
  return characterSets === undefined ? undefined : { server, isql, libraryFolder, characterSets };
}

export async function provideFirebird(context: FetchContext): Promise<FirebirdBinaries> {
  const found = findFirebird();
  if (found !== undefined) return found;
  await installSystemPart('firebird', why, context);
  const installed = findFirebird();
  if (installed === undefined) throw new Error('the packages of Firebird do not hold its server where it is looked for');
  return installed;
}

/** Debian keeps one for each processor and version, others have one. */
function libraryFolders(): string[] {
  const roots = ['/usr/lib', '/usr/lib64'].filter((root) => existsSync(root));
  const versioned = roots
    .flatMap((root) => [root, ...subfolders(root).filter((folder) => folder.endsWith('-linux-gnu'))])
    .map((root) => join(root, 'firebird'))
    .flatMap((folder) => [...subfolders(folder), folder]);
  return [...versioned, '/opt/firebird'];
}

function subfolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [join(folder, entry.name)] : []));
}
