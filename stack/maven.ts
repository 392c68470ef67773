import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { SyncError } from '../core/errors.ts';
import { executablesNamed, lastLines, runCommand } from './command.ts';
import { provideJava } from './java.ts';
import { type FetchContext, lockCache } from './package-cache.ts';
import { installSystemPart, partMissing } from './system-packages.ts';

const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1';
const pomFile = fileURLToPath(new URL('kafka-pom.xml', import.meta.url));
const connectPomFile = fileURLToPath(new URL('connect-pom.xml', import.meta.url));
const lockFile = fileURLToPath(new URL('artifacts.lock.json', import.meta.url));

type ArtifactLock = Readonly<Partial<Record<ArtifactSet, Readonly<Record<string, string>>>>>;
/** The fetched files and their sha256, by what they belong to. */
export type ArtifactSet = 'kafka' | 'redis' | 'registry' | 'connect' | 'h2';

/** The broker's jars, all that the pom leads to. */
export function copyKafkaJars(target: string, context: FetchContext): Promise<void> {
  return runMaven(['-f', pomFile, `${plugin}:copy-dependencies`, `-DoutputDirectory=${target}`], 'the Kafka jars', context);
}

/** The jars of a Kafka Connect worker. */
export function copyConnectJars(target: string, context: FetchContext): Promise<void> {
  return runMaven(
    ['-f', connectPomFile, `${plugin}:copy-dependencies`, `-DoutputDirectory=${target}`],
    'the jars of Kafka Connect',
    context,
  );
}

/** One artifact as it is. */
export function copyArtifact(artifact: string, target: string, context: FetchContext): Promise<void> {
  return runMaven([`${plugin}:copy`, `-Dartifact=${artifact}`, `-DoutputDirectory=${target}`], artifact, context);
}

/** Files inside an artifact that is an archive. */
export function unpackArtifact(artifact: string, includes: string, target: string, context: FetchContext): Promise<void> {
  return runMaven(
    [`${plugin}:unpack`, `-Dartifact=${artifact}`, `-Dmdep.unpack.includes=${includes}`, `-DoutputDirectory=${target}`],
    artifact,
    context,
  );
}

export function findMaven(): string | undefined {
  return executablesNamed('mvn')[0];
}

export async function provideMaven(why: string, context: FetchContext): Promise<string> {
  const found = findMaven();
  if (found !== undefined) return found;
  await installSystemPart('maven', why, context);
  const installed = findMaven();
  if (installed === undefined) throw partMissing('maven', why);
  return installed;
}

/** Exactly the pinned files with exactly the pinned contents, or an error that names the first that is not. */
export async function verifyArtifacts(set: ArtifactSet, directory: string): Promise<void> {
  const pinned = (JSON.parse(readFileSync(lockFile, 'utf8')) as ArtifactLock)[set] ?? {};
  const present = readdirSync(directory).sort();
  for (const name of new Set([...present, ...Object.keys(pinned)])) {
    const actual = present.includes(name) ? await sha256Of(join(directory, name)) : 'absent';
    if (actual !== pinned[name]) {
      throw new SyncError(
        'stack.checksum-mismatch',
        `${name}: sha256 is ${actual}, pinned is ${pinned[name] ?? 'no such file'}`,
        {
          details: { file: name, actual, pinned: pinned[name] ?? null },
        },
      );
    }
  }
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Maven's own store is not made for two writers at once, so all of ours take turns. */
async function runMaven(args: readonly string[], what: string, context: FetchContext): Promise<void> {
  const java = await provideJava(17, 'Maven runs on it', context);
  const maven = await provideMaven(`it fetches ${what}`, context);
  const lock = await lockCache('maven', context);
  // Without a project Maven writes its marks wherever it stands.
  const scratch = mkdtempSync(join(tmpdir(), 'syncline-maven-'));
  try {
    context.onProgress(`fetching ${what} with Maven`);
    const outcome = await runCommand(maven, ['--batch-mode', '--strict-checksums', '-Dstyle.color=never', ...args], {
      environment: { JAVA_HOME: java.home },
      directory: scratch,
      signal: context.signal,
    });
    context.signal?.throwIfAborted();
    if (!outcome.succeeded) {
      throw new SyncError('stack.fetch-failed', `Maven could not fetch ${what}:\n  ${lastLines(outcome.output)}`, {
        details: { artifact: what },
      });
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    lock.release();
  }
}
